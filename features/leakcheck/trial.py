"""Runs of a feature function: each on a copy, by a fresh function, laid on the grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from features.leakcheck.disturbances import LAST_BIT, LAST_BIT_SINGLE, exchange_symbols, jitter
from features.leakcheck.value_grid import (
    AT,
    KEY,
    WHO,
    FeatureOutputError,
    Grid,
    Values,
    check_output,
    read_values,
)

Compute = Callable[[pl.DataFrame], pl.DataFrame]
"""From rows to symbol, session and features."""
MakeCompute = Callable[[], Compute]
"""Returns the function as if its module had just been loaded: what it keeps between calls is gone."""


class Trial:
    """Runs one feature function and counts.

    Parameters
    ----------
    make : callable
        Returns a fresh function for each run, so that none sees what an earlier one left behind.
    grid : Grid
    """

    def __init__(self, make: MakeCompute, grid: Grid) -> None:
        self._make = make
        self._grid = grid
        self.names: tuple[str, ...] = ()
        self._last_bit = LAST_BIT
        self.runs = 0
        self.stopped: list[str] = []

    def first(self, placed: pl.DataFrame) -> Values:
        """Run on the undisturbed rows, which also says what the features are called.

        Raises
        ------
        FeatureOutputError
            If the function raises, changes its argument or returns what cannot be examined.
        """
        output = self.output(placed)
        strange = self._grid.place(output).filter(pl.col(WHO).is_null() | pl.col(AT).is_null())
        if strange.height:
            symbol, session = strange.row(0)[:2]
            msg = (
                f"features(bars) returned {strange.height} rows of symbols or sessions that the bars do not "
                f"hold, such as {symbol} {session}; return rows of the bars' own alone"
            )
            raise FeatureOutputError(msg)
        self.names = tuple(name for name in output.columns if name not in KEY)
        return self.values(output)

    def values(self, output: pl.DataFrame) -> Values:
        """Lay an output on the grid."""
        return read_values(output, self._grid, self.names)

    def run(self, placed: pl.DataFrame) -> Values:
        """Run on disturbed rows.

        Raises
        ------
        FeatureOutputError
            As `first` does.
        """
        return self.values(self.output(placed))

    def attempt(self, placed: pl.DataFrame) -> Values | None:
        """Run on disturbed rows; where the function stops, note why and return None."""
        try:
            return self.run(placed)
        except FeatureOutputError as error:
            self.stopped.append(str(error))
            return None

    def attempt_jittered(self, placed: pl.DataFrame, random: np.random.Generator) -> Values | None:
        """Run as `attempt` does, on rows with other last bits."""
        return self.attempt(jitter(placed, random, self._last_bit))

    def attempt_exchanged(self, placed: pl.DataFrame, random: np.random.Generator) -> Values | None:
        """Run as `attempt_jittered` does, symbols exchanged; the values return to their own places."""
        order = random.permutation(self._grid.shape[0])
        rows = exchange_symbols(jitter(placed, random, self._last_bit), self._grid.symbols, order)
        run = self.attempt(rows)
        return None if run is None else run[:, order]

    def attempt_stepped(self, placed: pl.DataFrame, seed: int, step: float) -> Values | None:
        """Run as `attempt` does, on rows moved by multiples of a step; equal seeds move the same way."""
        return self.attempt(jitter(placed, np.random.default_rng(seed), step))

    def round_in_single(self) -> bool:
        """Take the last bit of single precision for rounding from now on; tell whether that is new."""
        new = self._last_bit != LAST_BIT_SINGLE
        self._last_bit = LAST_BIT_SINGLE
        return new

    def fresh(self) -> Compute:
        """Return a function that nobody has called yet."""
        return self._make()

    def output(self, placed: pl.DataFrame, compute: Compute | None = None) -> pl.DataFrame:
        """Return what one run gives, checked; by a fresh function unless told by which.

        Raises
        ------
        FeatureOutputError
            As `first` does.
        """
        self.runs += 1
        compute = compute or self._make()
        rows = placed.drop(WHO, AT)
        given, before = rows.clone(), rows.hash_rows().sum()
        try:
            output = compute(given)
        except (Exception, SystemExit) as error:
            msg = f"features(bars) stopped with {type(error).__name__}: {error}"
            raise FeatureOutputError(msg) from error
        # Both frames share their memory: who writes into it changes the digest, and no comparison.
        if given.schema != rows.schema or not given.equals(rows) or rows.hash_rows().sum() != before:
            msg = "features(bars) changes the bars that it is given; work on a copy (bars.clone())"
            raise FeatureOutputError(msg)
        if isinstance(output, pl.DataFrame) and pl.Float32 in output.dtypes:
            # Single precision rounds there: a later factor of a price shows in the last bit of these.
            self._last_bit = LAST_BIT_SINGLE
        return check_output(output)
