"""What is measured of each session, and which sessions are compared: pure steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

from models.metrics import compute_ic


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Sessions of the reference and of the current window, in order; they do not overlap."""

    reference: tuple[date, ...]
    current: tuple[date, ...]


def measure_sessions(features: pl.DataFrame, *, min_symbols: int) -> pl.DataFrame:
    """Measure the cross-section of each session.

    Features of one session share its market, so thousands of rows are one observation; a test that takes
    them as independent calls every quiet month a drift. What follows works on one number a session.

    Parameters
    ----------
    features : polars.DataFrame
        `session`, `valid` and `SCALE_FEATURES`, one row a symbol and session; null means unknown.
    min_symbols : int
        Sessions with fewer valid symbols measure nothing.

    Returns
    -------
    polars.DataFrame, shape (n_sessions, 2 + n_scales)
        `session`, `symbols` (valid rows) and a column a scale, null where unknown; sorted by session.
    """
    valid = features.filter(pl.col("valid"))
    measured = valid.group_by("session").agg(
        pl.len().cast(pl.Int64).alias("symbols"), *(scale.expression() for scale in SCALES)
    )
    enough = pl.col("symbols") >= min_symbols
    return measured.with_columns(
        pl.when(enough).then(pl.col(scale.name)).alias(scale.name) for scale in SCALES
    ).sort("session")


def choose_windows(sessions: Sequence[date], *, reference: int, current: int) -> Windows:
    """Divide the last sessions into the two windows; the reference may come out shorter than asked for."""
    last = sorted(sessions)[-(reference + current) :]
    return Windows(reference=tuple(last[:-current]), current=tuple(last[-current:]))


def latest_issued(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Return of each symbol and session the forecast that was issued last: what a reader saw in the end."""
    keys = ["symbol", "session"]
    return forecasts.sort("issued_at", "model_key").unique(keys, keep="last", maintain_order=True).sort(keys)


def realise_ic(forecasts: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Return the rank correlation of each session's forecasts with what came of them.

    Parameters
    ----------
    forecasts : polars.DataFrame
        `symbol`, `session`, `value`, one row a pair.
    labels : polars.DataFrame
        `symbol`, `session`, `value` of the same horizon, known ones only.

    Returns
    -------
    polars.DataFrame
        `session`, `rank_ic`; sessions whose outcome is known.
    """
    outcomes = labels.select("symbol", "session", pl.col("value").alias("label"))
    scored = forecasts.select("symbol", "session", "value").join(outcomes, on=["symbol", "session"], how="inner")
    return compute_ic(scored).select("session", "rank_ic")


def sample_rows(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return at most `count` rows, the same ones whenever the same rows come."""
    if rows.height <= count:
        return rows
    return rows.sort(pl.struct("symbol", "session").hash(seed=1), "symbol", "session").head(count)


def rank_features(importance: dict[str, float], names: Sequence[str], count: int) -> list[str]:
    """Return the `count` most important of `names`; in the given order where importance says nothing."""
    return sorted(names, key=lambda name: -importance.get(name, 0.0))[:count]
