"""How well forecasts order a session's symbols, with errors that allow for overlapping labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.targets import MIN_CROSS_SECTION, centred_rank

INTERVAL_95 = 1.959963984540054
SUSPECT_IC = 0.05
SUSPECT_HIT_RATE = 0.56


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One forecaster on one set of rows; intervals are 95 % and two-sided.

    Attributes
    ----------
    sessions, rows : int
        Sessions with an IC, and forecast rows with a label in them.
    ic, rank_ic : float
        Mean over sessions of the Pearson (forecast, raw return) and Spearman correlation.
    ic_std : float
        Standard deviation over sessions of the rank IC.
    icir : float
        ``rank_ic / ic_std``, a session; not annualised. NaN when the rank IC never varies.
    t_newey_west, rank_ic_low, rank_ic_high : float
        t-statistic of the mean rank IC and its interval, both from the Newey–West standard error.
    bootstrap_low, bootstrap_high : float
        Interval of the mean rank IC from a circular block bootstrap of sessions.
    hit_rate : float
        Share of rows whose forecast and return lie on the same side of their session's medians;
        rows on a median are left out; NaN if none remains.
    decile_spread : float
        Mean over sessions of the top tenth's mean return less the bottom tenth's (fraction a label).
    turnover : float
        Mean over sessions of half the sum of absolute changes of rank weights with gross exposure 1
        (fraction of the book, 0..1).
    """

    sessions: int
    rows: int
    ic: float
    rank_ic: float
    ic_std: float
    icir: float
    t_newey_west: float
    rank_ic_low: float
    rank_ic_high: float
    bootstrap_low: float
    bootstrap_high: float
    hit_rate: float
    decile_spread: float
    turnover: float

    def suspicions(self) -> list[str]:
        """Name the levels that liquid equities do not offer: each a suspected leak until explained."""
        found = []
        if self.rank_ic > SUSPECT_IC:
            found.append(f"rank IC {self.rank_ic:.4f} above {SUSPECT_IC}: look for a leak")
        if self.hit_rate > SUSPECT_HIT_RATE:
            found.append(f"hit rate {self.hit_rate:.3f} above {SUSPECT_HIT_RATE}: look for a leak")
        return found


def compute_ic(scored: pl.DataFrame) -> pl.DataFrame:
    """Compute the information coefficient of each session.

    Parameters
    ----------
    scored : polars.DataFrame
        Columns `session`, `symbol`, `value` (forecast) and `label` (raw forward return, fraction).

    Returns
    -------
    polars.DataFrame
        `session`, `ic` (Pearson), `rank_ic` (Spearman, ties averaged), `n`; sorted by session. Rows
        with a null forecast or label are left out, then sessions with fewer than three rows or with
        constant labels. A constant forecast orders nothing: its coefficients are 0.
    """
    known = _known(scored)
    value_rank, label_rank = pl.col("value").rank(), pl.col("label").rank()
    by_session = known.group_by("session").agg(
        pl.corr("value", "label").alias("ic"),
        pl.corr(value_rank, label_rank).alias("rank_ic"),
        pl.len().alias("n"),
        (pl.col("value").max() == pl.col("value").min()).alias("flat"),
        (pl.col("label").max() == pl.col("label").min()).alias("unlabelled"),
    )
    usable = by_session.filter(~pl.col("unlabelled") & (pl.col("n") >= MIN_CROSS_SECTION))
    zeroed = [
        pl.when(pl.col("flat") | pl.col(name).is_nan()).then(0.0).otherwise(pl.col(name)).alias(name)
        for name in ("ic", "rank_ic")
    ]
    return usable.with_columns(zeroed).select("session", "ic", "rank_ic", "n").sort("session")


def compute_newey_west_error(series: np.ndarray, *, lag: int) -> float:
    """Return the Newey–West standard error of the mean of `series`.

    Parameters
    ----------
    series : numpy.ndarray
        One number a session, in time order, shape (sessions,).
    lag : int
        Autocovariances used, with Bartlett weights. Labels over h sessions overlap for h − 1 of them, so
        `lag` is at least h − 1; it is cut to the length of the series.

    Returns
    -------
    float
        0 for a constant series; NaN for fewer than two numbers.

    Notes
    -----
    Newey and West (1987), *Econometrica* 55, eq. 5; no small-sample factor, as
    ``statsmodels`` HAC with ``use_correction=False``.
    """
    count = len(series)
    if count < 2:
        return float("nan")
    centred = series - series.mean()
    variance = centred @ centred / count
    for step in range(1, min(lag, count - 1) + 1):
        weight = 1.0 - step / (lag + 1.0)
        variance += 2.0 * weight * (centred[step:] @ centred[:-step]) / count
    return float(np.sqrt(max(variance, 0.0) / count))


def compute_newey_west_t(series: np.ndarray, *, lag: int) -> float:
    """Return mean over Newey–West standard error: 0 for an all-zero series, NaN where the error is 0."""
    error = compute_newey_west_error(series, lag=lag)
    if error > 0:
        return float(series.mean() / error)
    return 0.0 if len(series) and not series.any() else float("nan")


def bootstrap_mean_interval(
    series: np.ndarray, *, block: int, seed: int, draws: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the mean from a circular block bootstrap.

    Parameters
    ----------
    block : int
        Sessions a block: at least the label's horizon, so that overlap stays inside blocks.

    Returns
    -------
    tuple of float
        Percentiles ``(1 ∓ level) / 2`` of the resampled means; NaN for an empty series.

    Notes
    -----
    Politis and Romano (1992): blocks wrap around the end, so every session is equally likely.
    """
    count = len(series)
    if not count:
        return float("nan"), float("nan")
    blocks = -(-count // block)
    starts = np.random.default_rng(seed).integers(0, count, size=(draws, blocks))
    places = (starts[:, :, None] + np.arange(block)) % count
    # Whole blocks overshoot; the last one is cut, for the spread of a longer series would be too narrow.
    means = series[places.reshape(draws, -1)[:, :count]].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def compute_hit_rate(scored: pl.DataFrame) -> float:
    """Return the share of rows on the same side of both medians; see `Scores.hit_rate`."""
    known = _known(scored)
    sides = known.select(
        (pl.col("value") - pl.col("value").median().over("session")).sign().alias("value"),
        (pl.col("label") - pl.col("label").median().over("session")).sign().alias("label"),
    ).filter((pl.col("value") != 0) & (pl.col("label") != 0))
    if sides.is_empty():
        return float("nan")
    return float((sides["value"] == sides["label"]).sum() / sides.height)


def compute_decile_spread(scored: pl.DataFrame) -> pl.DataFrame:
    """Return `session`, `spread`: top tenth's mean return less the bottom tenth's.

    A tenth is at least one symbol; ties in the forecast share an average rank, and a session whose
    forecasts are all equal has spread 0.
    """
    ranked = _known(scored).with_columns(
        pl.col("value").rank("average").over("session").alias("rank"), pl.len().over("session").alias("n")
    )
    tenth = pl.max_horizontal(1, pl.col("n") // 10)
    top = pl.col("label").filter(pl.col("rank") > pl.col("n") - tenth).mean()
    bottom = pl.col("label").filter(pl.col("rank") <= tenth).mean()
    return (
        ranked.filter(pl.col("n") >= MIN_CROSS_SECTION)
        .group_by("session")
        .agg((top - bottom).fill_null(0.0).alias("spread"))
        .sort("session")
    )


def compute_turnover(scored: pl.DataFrame) -> pl.DataFrame:
    """Return `session`, `turnover` from each session's rank weights to the previous one's.

    Weights are centred ranks over their sum of absolutes (gross 1); a symbol that is absent has
    weight 0; a session of equal forecasts has no weights. The first session is left out.
    """
    ranks = _known(scored).select("session", "symbol", centred_rank("value").alias("rank"))
    gross = pl.col("rank").abs().sum().over("session")
    weights = ranks.select(
        "session", "symbol", pl.when(gross > 0).then(pl.col("rank") / gross).otherwise(0.0)
    )
    wide = weights.pivot(on="symbol", index="session", values="rank").sort("session")
    dense = wide.drop("session").fill_null(0.0).to_numpy()
    change = np.abs(np.diff(dense, axis=0)).sum(axis=1) / 2
    return pl.DataFrame({"session": wide["session"][1:], "turnover": change})


def compute_scores(scored: pl.DataFrame, *, horizon_sessions: int, seed: int = 0) -> Scores:
    """Score forecasts against labels.

    Parameters
    ----------
    scored : polars.DataFrame
        Columns `session`, `symbol`, `value`, `label`; forecasts at session t, returns after it.
    horizon_sessions : int
        Run of the label: the Newey–West lag is ``horizon_sessions − 1`` or Newey and West's
        ``4 (T/100)^(2/9)``, whichever is larger.
    seed : int
        Of the bootstrap alone.

    Raises
    ------
    ValueError
        If no session can be scored.
    """
    by_session = compute_ic(scored)
    if by_session.is_empty():
        msg = f"none of {scored.height} rows can be scored; a session needs {MIN_CROSS_SECTION} labels"
        raise ValueError(msg)
    rank_ic = by_session["rank_ic"].to_numpy()
    lag = newey_west_lag(len(rank_ic), horizon_sessions)
    error = compute_newey_west_error(rank_ic, lag=lag)
    low, high = bootstrap_mean_interval(rank_ic, block=max(horizon_sessions, lag + 1), seed=seed)
    mean, deviation = float(rank_ic.mean()), float(rank_ic.std(ddof=1)) if len(rank_ic) > 1 else float("nan")
    return Scores(
        sessions=by_session.height,
        rows=int(by_session["n"].sum()),
        ic=_mean(by_session["ic"]),
        rank_ic=mean,
        ic_std=deviation,
        icir=mean / deviation if deviation > 0 else float("nan"),
        t_newey_west=compute_newey_west_t(rank_ic, lag=lag),
        rank_ic_low=mean - INTERVAL_95 * error,
        rank_ic_high=mean + INTERVAL_95 * error,
        bootstrap_low=low,
        bootstrap_high=high,
        hit_rate=compute_hit_rate(scored),
        decile_spread=_mean(compute_decile_spread(scored)["spread"]),
        turnover=_mean(compute_turnover(scored)["turnover"]),
    )


def newey_west_lag(sessions: int, horizon_sessions: int) -> int:
    """Return the lag: never below ``horizon_sessions − 1``, at which labels stop overlapping."""
    return max(horizon_sessions - 1, int(4 * (sessions / 100) ** (2 / 9)))


def _known(scored: pl.DataFrame) -> pl.DataFrame:
    """Rows with a forecast and a label."""
    return scored.filter(
        pl.col("value").fill_nan(None).is_not_null() & pl.col("label").fill_nan(None).is_not_null()
    )


def _mean(series: pl.Series) -> float:
    """Mean of the known numbers, NaN when there is none."""
    known = series.drop_nulls().drop_nans()
    return float(known.to_numpy().mean()) if len(known) else float("nan")
