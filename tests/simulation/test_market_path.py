"""The market's path: independence of the range asked for, consistency, the planted alpha, the null."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from scipy.stats import rankdata

from simulation.market_path import MarketDay, MarketPath
from simulation.params import RegimeBreak
from simulation.random_streams import Stream, draw_for
from simulation.symbols import NOBODY, company_of, ticker_of
from tests.simulation.markets import small_market

SEEDS = range(6)


def days_of(last: date, **changes: object) -> list[MarketDay]:
    return MarketPath(small_market(**changes)).until(last)


def stacked(days: list[MarketDay], name: str) -> np.ndarray:
    return np.array([getattr(day, name) for day in days])


def log_total_returns(days: list[MarketDay]) -> np.ndarray:
    """Return what an outsider computes from raw closes, splits and dividends, shape (n_days, n_slots)."""
    close, split, dividend = (stacked(days, name) for name in ("close", "split", "dividend"))
    gross = (close[1:] + dividend[1:]) * split[1:] / close[:-1]
    return np.vstack([np.zeros(close.shape[1]), np.log(gross)])


def steady_slots(days: list[MarketDay]) -> np.ndarray:
    """Return the slots whose one symbol is listed throughout."""
    identity = stacked(days, "identity")
    return np.flatnonzero((identity == identity[0]).all(axis=0) & (identity[0] != NOBODY))


def mean_rank_ic(days: list[MarketDay], scores: np.ndarray) -> float:
    """Return the mean rank IC of scores against close(t+6) / close(t+1) - 1."""
    slots = steady_slots(days)
    level = log_total_returns(days)[:, slots].cumsum(axis=0)
    label = rankdata(level[31:] - level[26:-5], axis=1)
    score = rankdata(scores[25:-6, slots], axis=1)
    label, score = (part - part.mean(axis=1, keepdims=True) for part in (label, score))
    return float(
        np.mean((label * score).sum(axis=1) / np.sqrt((label**2).sum(axis=1) * (score**2).sum(axis=1)))
    )


def test_a_longer_range_leaves_earlier_sessions_as_they_were():
    short = days_of(date(2023, 6, 30))
    grown = MarketPath(small_market())
    grown.until(date(2023, 2, 1))
    long = grown.until(date(2024, 6, 28))
    for one, other in zip(short, long, strict=False):
        assert one.session == other.session
        for name in ("open", "high", "low", "close", "volume", "dividend", "split", "identity"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_another_seed_is_another_market():
    assert not np.array_equal(
        days_of(date(2023, 2, 1))[-1].close, days_of(date(2023, 2, 1), seed=4)[-1].close
    )


def test_bars_are_consistent():
    days = days_of(date(2024, 12, 31), symbols=60)
    opening, high, low, close = (stacked(days, name) for name in ("open", "high", "low", "close"))
    assert (high >= np.maximum(opening, close)).all()
    assert (low <= np.minimum(opening, close)).all()
    assert (low > 0).all()
    assert (stacked(days, "volume")[stacked(days, "listed")] > 0).all()


def test_raw_returns_with_actions_are_the_market_s_own_returns():
    days = days_of(date(2024, 12, 31), symbols=60, seed=7)
    slots = steady_slots(days)
    seen = log_total_returns(days)[1:, slots]
    own = stacked(days, "relative_return")[1:, slots]
    apart = seen - own
    # What is left is the market's mean, the same for every symbol, but for rounding to cents.
    assert np.abs(apart - np.median(apart, axis=1, keepdims=True)).max() < 0.01
    assert (stacked(days, "split") != 1).any()
    assert (stacked(days, "dividend") > 0).any()


def test_volume_follows_the_size_of_returns():
    days = days_of(date(2024, 12, 31))
    slots = steady_slots(days)
    size = np.abs(log_total_returns(days)[1:, slots])
    volume = np.log(stacked(days, "volume")[1:, slots])
    correlations = [np.corrcoef(size[:, i], volume[:, i])[0, 1] for i in range(len(slots))]
    assert np.mean(correlations) > 0.2


def test_volatility_clusters():
    days = days_of(date(2025, 12, 31), symbols=40)
    squares = log_total_returns(days)[1:, steady_slots(days)].mean(axis=1) ** 2
    squares = np.minimum(squares, np.quantile(squares, 0.99))
    assert np.corrcoef(squares[1:], squares[:-1])[0, 1] > 0.05


def test_symbols_list_and_delist_and_names_are_never_used_again():
    identity = stacked(days_of(date(2025, 12, 31)), "identity")
    lives = {}
    for t, row in enumerate(identity):
        for number in row[row != NOBODY]:
            lives.setdefault(int(number), []).append(t)
    assert len(lives) > 25
    assert all(seen[-1] - seen[0] + 1 == len(seen) for seen in lives.values())


def test_regime_break_changes_nothing_before_it_and_scales_shocks_after_it():
    broken = RegimeBreak(session=date(2024, 1, 2), volatility_multiplier=1.5)
    calm, rough = days_of(date(2024, 12, 31)), days_of(date(2024, 12, 31), regime_break=broken)
    start = next(i for i, day in enumerate(calm) if day.session == broken.session)
    np.testing.assert_array_equal(stacked(calm[:start], "close"), stacked(rough[:start], "close"))
    slots = steady_slots(calm)
    ratio = (
        stacked(rough[start:], "relative_return")[:, slots].std()
        / stacked(calm[start:], "relative_return")[:, slots].std()
    )
    assert ratio == pytest.approx(1.5, abs=0.02)


def test_oracle_reaches_the_configured_rank_ic():
    ics = []
    for seed in SEEDS:
        days = days_of(date(2024, 12, 31), symbols=80, seed=seed, alpha_rank_ic=0.1, annual_turnover=0.0)
        ics.append(mean_rank_ic(days, stacked(days, "score")))
    assert np.mean(ics) == pytest.approx(0.1, abs=0.015)


def test_oracle_is_the_documented_function_of_what_is_seen():
    days = days_of(date(2023, 12, 29), alpha_rank_ic=0.033, annual_turnover=0.0)
    slots = steady_slots(days)
    relative = stacked(days, "relative_return")[:, slots]
    shares = stacked(days, "split")[:, slots].cumprod(axis=0)
    volume = np.log(stacked(days, "volume")[:, slots] / shares)
    t = 200
    signal = [
        np.clip(relative[u], -0.15, 0.15)
        * (1 + 0.4 * np.clip(volume[u] - volume[u - 20 : u].mean(axis=0), -1, 1))
        for u in range(t, t - 5, -1)
    ]
    expected = -0.01 * sum(weight * part for weight, part in zip((5, 4, 3, 2, 1), signal, strict=True))
    np.testing.assert_allclose(days[t].score[slots], expected, atol=1e-6)


def test_nothing_is_predictable_in_the_null_market():
    reversal, momentum, risk = [], [], []
    for seed in SEEDS:
        days = days_of(date(2024, 12, 31), symbols=80, seed=seed, annual_turnover=0.0)
        level = log_total_returns(days).cumsum(axis=0)
        past = np.vstack([np.zeros((25, level.shape[1])), level[:-25]])
        week = np.vstack([np.zeros((5, level.shape[1])), level[:-5]])
        size = np.abs(stacked(days, "relative_return"))
        risk.append(mean_rank_ic(days, np.vstack([size[:1], (size[1:] + size[:-1])])))
        reversal.append(mean_rank_ic(days, week - level))
        momentum.append(mean_rank_ic(days, level - past))
        assert not stacked(days, "score").any()
    for ics in (reversal, momentum, risk):
        error = np.std(ics, ddof=1) / np.sqrt(len(ics))
        assert abs(np.mean(ics)) < 3.5 * error
        assert abs(np.mean(ics)) < 0.015


def test_draws_of_one_counter_do_not_depend_on_others():
    again = [draw_for(1, Stream.SHOCKS, counter).random(3) for counter in (5, 6, 5)]
    np.testing.assert_array_equal(again[0], again[2])
    assert not np.array_equal(again[0], again[1])
    assert not np.array_equal(again[0], draw_for(1, Stream.TEXTS, 5).random(3))


def test_tickers_are_unique_and_companies_have_names():
    assert len({ticker_of(number) for number in range(20_000)}) == 20_000
    assert company_of(0).split()[0].isalpha()
