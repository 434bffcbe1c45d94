"""Labels: total returns over the horizons, in sessions, that models forecast."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from features import windows
from features.panel import mask_bars


def compute_labels(panel: pl.DataFrame, horizon_sessions: Sequence[int]) -> pl.DataFrame:
    """Compute the total return of the sessions of each horizon that end at each session.

    Parameters
    ----------
    panel : polars.DataFrame
        A dense block as for `features.compute.compute_features`.
    horizon_sessions : sequence of int
        Sessions from trade to end, each at least 1.

    Returns
    -------
    polars.DataFrame, shape (n_symbols × n_sessions × n_horizons, 4)
        symbol, session, horizon (Int32) and value (Float64), sorted by these. `session` is the END session
        e: value = adjusted close(e) / adjusted close(e − h) − 1, known at the close of e. The label of a
        forecast made at t and traded at the close of t + 1 is the value at e = t + 1 + h. Null where
        either bar is missing or not valid.

    Raises
    ------
    ValueError
        If a horizon is below 1 or the panel is not dense.
    """
    if not horizon_sessions or min(horizon_sessions) < 1:
        msg = f"horizon_sessions={list(horizon_sessions)} must name at least one, each at least 1 session"
        raise ValueError(msg)
    bars = mask_bars(panel)
    known = pl.col("valid") & pl.col("value").is_finite()
    returns = [
        bars.with_columns(value=windows.change(horizon)).select(
            "symbol",
            "session",
            horizon=pl.lit(horizon, pl.Int32),
            value=pl.when(known).then(pl.col("value")),
        )
        for horizon in sorted(set(horizon_sessions))
    ]
    return pl.concat(returns).sort("symbol", "session", "horizon")
