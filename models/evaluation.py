"""One table of a model and its benchmarks on the very same rows, losers included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import polars as pl

from models.forecast_frames import KEY, check_columns, check_unique
from models.metrics import (
    INTERVAL_95,
    bootstrap_mean_interval,
    compute_ic,
    compute_newey_west_error,
    compute_newey_west_t,
    compute_scores,
    newey_west_lag,
)


def evaluate(
    forecasts: Mapping[str, pl.DataFrame],
    truth: pl.DataFrame,
    *,
    reference: str,
    horizon_sessions: int,
    seed: int = 0,
) -> pl.DataFrame:
    """Score every forecaster on the rows that all of them forecast.

    Parameters
    ----------
    forecasts : mapping of name to polars.DataFrame
        Each with `symbol`, `session`, `value`.
    truth : polars.DataFrame
        `symbol`, `session`, `label` (forward return, fraction); rows without a label are left out.
    reference : str
        Name in `forecasts` against which every other is paired.
    horizon_sessions : int
        Run of the label, which sets the Newey–West lag and the bootstrap's block.
    seed : int
        Of the bootstrap.

    Returns
    -------
    polars.DataFrame
        One row a forecaster, best rank IC first (then by name): `forecaster`, the numbers of
        `models.metrics.Scores`, and the paired comparison `lead` (mean of the reference's rank IC less
        this one's, session by session), `lead_low`, `lead_high` (95 %, Newey–West), `lead_bootstrap_low`,
        `lead_bootstrap_high` and `lead_t`; all 0 in the reference's own row.

    Raises
    ------
    ValueError
        If a frame lacks a column, repeats a key, or no row is common to all.
    """
    if reference not in forecasts:
        msg = f"reference={reference!r} is not among the forecasts {sorted(forecasts)}"
        raise ValueError(msg)
    scored = align(forecasts, truth)
    against = compute_ic(scored[reference])
    rows = []
    for name, frame in scored.items():
        numbers = asdict(compute_scores(frame, horizon_sessions=horizon_sessions, seed=seed))
        lead = against["rank_ic"].to_numpy() - compute_ic(frame)["rank_ic"].to_numpy()
        rows.append({"forecaster": name, **numbers, **_describe_lead(lead, horizon_sessions, seed)})
    return pl.DataFrame(rows).sort(["rank_ic", "forecaster"], descending=[True, False])


def align(forecasts: Mapping[str, pl.DataFrame], truth: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Cut all forecasts to the labelled rows that every one of them holds, with `label` beside them.

    Raises
    ------
    ValueError
        If a frame lacks a column, repeats a key, or no row is common to all.
    """
    for frame in forecasts.values():
        check_columns(frame, [*KEY, "value"])
        check_unique(frame)
    check_unique(truth)
    common = _known_keys(truth, "label")
    for frame in forecasts.values():
        common = common.join(_known_keys(frame, "value"), on=list(KEY), how="semi")
    if common.is_empty():
        sizes = {name: frame.height for name, frame in forecasts.items()}
        msg = f"no labelled row is common to all forecasts ({sizes}); forecast the same sessions with each"
        raise ValueError(msg)
    keyed = common.join(truth.select(*KEY, "label"), on=list(KEY), how="left")
    return {
        name: keyed.join(frame.select(*KEY, "value"), on=list(KEY), how="left").sort("session", "symbol")
        for name, frame in forecasts.items()
    }


def _known_keys(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    return frame.filter(pl.col(column).fill_nan(None).is_not_null()).select(KEY)


def _describe_lead(lead: np.ndarray, horizon_sessions: int, seed: int) -> dict[str, float]:
    lag = newey_west_lag(len(lead), horizon_sessions)
    half = INTERVAL_95 * compute_newey_west_error(lead, lag=lag)
    low, high = bootstrap_mean_interval(lead, block=max(horizon_sessions, lag + 1), seed=seed)
    mean = float(lead.mean())
    return {
        "lead": mean,
        "lead_low": mean - half,
        "lead_high": mean + half,
        "lead_bootstrap_low": low,
        "lead_bootstrap_high": high,
        "lead_t": compute_newey_west_t(lead, lag=lag),
    }
