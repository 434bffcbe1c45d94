"""A small synthetic market with a planted, weak, known alpha, for the tests of this room."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from models.targets import add_target

WINDOWS = (1, 2, 5, 10, 21, 63, 126)
WARM_UP = 260


def weekdays(count: int, start: date = date(2015, 1, 5)) -> list[date]:
    """The first `count` weekdays from `start`, a Monday."""
    return [start + timedelta(days=7 * (k // 5) + k % 5) for k in range(count)]


def make_market(
    *,
    symbols: int = 60,
    sessions: int = 500,
    seed: int = 0,
    alpha: float = 1.0,
    horizon: int = 5,
    null_share: float = 0.02,
) -> pl.DataFrame:
    """Training frame of price features, with the oracle's score in the column `oracle`.

    Daily returns are a market and a sector part, volatility-clustered noise and a planted reversal: with
    x the return less the market's mean, session u pays ``-0.012 alpha (x[u-2] + .. + x[u-6])``, so that the
    label of session t is expected to move with ``-(5 x[t] + 4 x[t-1] + .. + x[t-4])``. With `alpha=1` that
    score's rank IC is about 0.035.
    """
    rng = np.random.default_rng(seed)
    total = sessions + WARM_UP + horizon + 1
    returns, volume, score = _simulate(rng, total, symbols, alpha)
    features = _features(returns, volume)
    prices = np.cumsum(np.log1p(returns), axis=0)
    first = np.arange(WARM_UP, WARM_UP + sessions)
    label = np.expm1(prices[first + 1 + horizon] - prices[first + 1])
    days = weekdays(total)
    decided = [day_at(days[k], 22) for k in first]
    ended = [day_at(days[k + 1 + horizon], 21) for k in first]
    frame = pl.DataFrame(
        {
            "symbol": np.tile([f"S{k:03d}" for k in range(symbols)], sessions),
            "session": np.repeat(np.array([days[k] for k in first], dtype="datetime64[D]"), symbols),
            "cutoff_at": np.repeat(decided, symbols),
            "label_end": np.repeat(ended, symbols),
            "label": label.ravel(),
            "oracle": score[first].ravel(),
        }
    ).with_columns(
        pl.col("session").cast(pl.Date), pl.col("cutoff_at", "label_end").dt.replace_time_zone("UTC")
    )
    blocks = {}
    for name, values in features.items():
        kept = values[first].ravel()
        blocks[name] = np.where(rng.random(kept.size) < null_share, np.nan, kept)
    return add_target(frame.with_columns(pl.Series(n, v).fill_nan(None) for n, v in blocks.items()))


def day_at(day: date, hour: int) -> np.datetime64:
    """`day` at a full hour, in microseconds."""
    return np.datetime64(day, "us") + np.timedelta64(hour, "h")


def feature_names(frame: pl.DataFrame) -> list[str]:
    """The feature columns of `make_market`."""
    return [name for name in frame.columns if name.startswith(("mom_", "vol_", "volume_", "rank_", "noise_"))]


def _simulate(rng: np.random.Generator, total: int, symbols: int, alpha: float) -> tuple[np.ndarray, ...]:
    beta, sector = rng.uniform(0.6, 1.4, symbols), rng.integers(0, 8, symbols)
    base = rng.uniform(0.010, 0.025, symbols)
    returns, volume = np.zeros((total, symbols)), np.zeros((total, symbols))
    relative, log_vol = np.zeros((total, symbols)), np.zeros(symbols)
    for t in range(total):
        log_vol = 0.95 * log_vol + 0.12 * rng.standard_normal(symbols)
        noise = base * np.exp(log_vol) * rng.standard_t(5, symbols) / 1.29
        factor = beta * 0.008 * rng.standard_normal() + 0.004 * rng.standard_normal(8)[sector]
        drift = -0.012 * alpha * relative[max(t - 6, 0) : max(t - 1, 0)].sum(axis=0)
        returns[t] = np.clip(factor + noise + drift, -0.5, 0.5)
        relative[t] = returns[t] - returns[t].mean()
        volume[t] = 0.7 * volume[t - 1] + 0.4 * rng.standard_normal(symbols) + 8 * np.abs(noise)
    score = -sum((5 - lag) * np.roll(relative, lag, axis=0) for lag in range(5))
    return returns, volume, score


def _rolling(values: np.ndarray, window: int) -> np.ndarray:
    total = np.cumsum(np.vstack([np.zeros(values.shape[1]), values]), axis=0)
    out = np.full(values.shape, np.nan)
    out[window - 1 :] = (total[window:] - total[:-window]) / window
    return out


def _features(returns: np.ndarray, volume: np.ndarray) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    rng = np.random.default_rng(99)
    for window in WINDOWS:
        out[f"mom_return_{window}d"] = _rolling(returns, window) * window
        out[f"vol_realised_{window}d"] = np.sqrt(_rolling(returns**2, window))
        out[f"volume_change_{window}d"] = volume - _rolling(volume, window)
        out[f"mom_drawdown_{window}d"] = _rolling(np.minimum(returns, 0.0), window)
    out["mom_return_12_1"] = _rolling(returns, 252) * 252 - _rolling(returns, 21) * 21
    for name in list(out):
        out[f"rank_{name}"] = out[name].argsort(axis=1).argsort(axis=1) / returns.shape[1] - 0.5
    for k in range(6):
        out[f"noise_{k}"] = rng.standard_normal(returns.shape)
    return out
