"""Numba kernels over a dense panel flattened symbol by symbol.

A window of n is put together from shorter windows (`features.kernels.ladder`), always the same ones, whatever
else is computed. So a value is, bit for bit, a function of the rows in its window, and costs the logarithm of
n. Incremental sums (as in Polars' `rolling_*`) cost less still, but carry rounding from rows that have left
the window: the same session would get other bits when the slice starts elsewhere. Second moments are merged
from those of the parts, since sums of squares lose what they subtract.

Conventions: `values` is float64, unknown where it is not finite, `sessions` the rows of each symbol; windows
stay inside one symbol, and results are NaN where fewer than `required` values are known. `scales` is empty,
or holds for each row what one unit of the session before counts in units of that row (one over the factor of
`features.adjust`); older values are multiplied by it, so a window of prices is expressed in units of its
last session. Where a scale is 0 the units changed in a way that nobody knows: what is older is unknown.

Loops over rows count from 0 in arrays that begin at the same session: an index like ``row - shift`` could be
negative to the compiler, which then takes one value at a time.
"""
