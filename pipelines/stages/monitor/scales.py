"""The measures of a session that the verdict rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One measure of a session: a logarithm, so that a change of scale is a shift.

    Parameters
    ----------
    name : str
        Column of the measured frame.
    feature : str
        Feature it is taken from.
    kind : {"level", "spread"}
        ``level``: log of the median over symbols. ``spread``: log of the median distance from that
        median, which common moves of all symbols leave as it is.
    meaning : str
        What it says, for the report.
    """

    name: str
    feature: str
    kind: Literal["level", "spread"]
    meaning: str

    def expression(self) -> pl.Expr:
        """Return the aggregation over one session's symbols; null where the logarithm has no value."""
        value = pl.col(self.feature)
        centre = value.median()
        measured = centre if self.kind == "level" else (value - centre).abs().median()
        return pl.when(measured > 0).then(measured.log()).alias(self.name)


SCALES = (
    Scale(
        name="return_dispersion",
        feature="mom_return_1d",
        kind="spread",
        meaning="median distance of a symbol's daily return from the median symbol's",
    ),
    Scale(
        name="intraday_range",
        feature="vol_range_1d",
        kind="level",
        meaning="median of ln(high / low)",
    ),
    Scale(
        name="relative_volume",
        feature="volume_ratio_1d_20d",
        kind="level",
        meaning="median of volume over its mean of 20 sessions",
    ),
)
SCALE_FEATURES = tuple(scale.feature for scale in SCALES)
