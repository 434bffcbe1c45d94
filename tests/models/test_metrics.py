"""Metrics against numbers worked by hand, scipy and statsmodels."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy.stats import pearsonr, spearmanr

from models.metrics import (
    Scores,
    bootstrap_mean_interval,
    compute_decile_spread,
    compute_hit_rate,
    compute_ic,
    compute_newey_west_error,
    compute_newey_west_t,
    compute_scores,
    compute_turnover,
    newey_west_lag,
)
from tests.models.market import weekdays

DAY, NEXT = date(2020, 1, 2), date(2020, 1, 3)


def scored(value: list[float | None], label: list[float | None], session: date = DAY) -> pl.DataFrame:
    names = [f"S{k}" for k in range(len(value))]
    columns = {"session": [session] * len(value), "symbol": names, "value": value, "label": label}
    return pl.DataFrame(columns, schema_overrides={"value": pl.Float64, "label": pl.Float64})


def test_that_the_coefficients_are_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    value, label = rng.standard_normal(40).round(1), rng.standard_normal(40)
    row = compute_ic(scored(value.tolist(), label.tolist())).row(0, named=True)
    assert row["ic"] == pytest.approx(pearsonr(value, label).statistic)
    assert row["rank_ic"] == pytest.approx(spearmanr(value, label).statistic)
    assert row["n"] == 40


def test_that_unknown_rows_are_left_out_before_ranking() -> None:
    frame = scored([1.0, 2.0, None, 3.0, 9.0], [0.1, 0.2, 0.9, 0.3, None])
    assert compute_ic(frame).row(0, named=True) == {"session": DAY, "ic": 1.0, "rank_ic": 1.0, "n": 3}


def test_that_a_constant_forecast_has_no_skill_and_thin_or_constant_sessions_do_not_count() -> None:
    frame = pl.concat(
        [
            scored([0.0, 0.0, 0.0], [0.1, 0.2, 0.3]),
            scored([1.0, 2.0], [0.1, 0.2], NEXT),
            scored([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], date(2020, 1, 6)),
        ]
    )
    assert compute_ic(frame).rows() == [(DAY, 0.0, 0.0, 3)]


def test_that_the_newey_west_error_is_worked_by_hand() -> None:
    # Mean 2, centred -1, 1, -1, 1: gamma0 = 1, gamma1 = -3/4; with lag 1 the weight is 1/2.
    series = np.array([1.0, 3.0, 1.0, 3.0])
    assert compute_newey_west_error(series, lag=0) == pytest.approx(np.sqrt(1 / 4))
    assert compute_newey_west_error(series, lag=1) == pytest.approx(np.sqrt((1 - 0.75) / 4))


@pytest.mark.parametrize("lag", [0, 4, 9])
def test_that_the_newey_west_t_is_that_of_statsmodels(lag: int) -> None:
    rng = np.random.default_rng(5)
    series = 0.02 + np.convolve(rng.standard_normal(204), np.ones(5) / 5, "valid") * 0.1
    fitted = sm.OLS(series, np.ones(len(series))).fit(
        cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False}
    )
    assert compute_newey_west_t(series, lag=lag) == pytest.approx(fitted.tvalues[0])


def test_that_short_and_constant_series_have_no_error() -> None:
    assert np.isnan(compute_newey_west_error(np.array([1.0]), lag=3))
    assert compute_newey_west_t(np.zeros(5), lag=2) == 0.0
    assert np.isnan(compute_newey_west_t(np.full(5, 0.5), lag=2))


def test_that_the_lag_covers_the_overlap() -> None:
    assert newey_west_lag(100, 5) == 4
    assert newey_west_lag(1000, 5) == 6
    assert newey_west_lag(100, 21) == 20


def test_that_the_bootstrap_agrees_with_theory_on_independent_numbers() -> None:
    series = np.random.default_rng(1).standard_normal(400)
    low, high = bootstrap_mean_interval(series, block=1, seed=2, draws=4000)
    half = 1.96 * series.std() / 20
    assert low == pytest.approx(series.mean() - half, abs=0.01)
    assert high == pytest.approx(series.mean() + half, abs=0.01)


def test_that_blocks_widen_the_interval_of_overlapping_numbers() -> None:
    series = np.convolve(np.random.default_rng(1).standard_normal(409), np.ones(10) / 10, "valid")
    narrow = bootstrap_mean_interval(series, block=1, seed=2)
    wide = bootstrap_mean_interval(series, block=20, seed=2)
    assert wide[1] - wide[0] > 1.8 * (narrow[1] - narrow[0])
    assert np.isnan(bootstrap_mean_interval(np.array([]), block=3, seed=2)).all()


def test_that_hits_are_counted_against_the_medians() -> None:
    # Medians 2.5 and 0.25: sides --++ against -+-+, two of four agree.
    assert compute_hit_rate(scored([1, 2, 3, 4], [0.1, 0.3, 0.2, 0.4])) == 0.5
    assert np.isnan(compute_hit_rate(scored([1, 1, 1], [0.1, 0.3, 0.2])))


def test_that_the_decile_spread_takes_a_tenth_from_each_end() -> None:
    value = [float(k) for k in range(20)]
    label = [0.0] * 20
    label[0], label[1], label[18], label[19] = -0.01, -0.03, 0.02, 0.06
    spread = compute_decile_spread(scored(value, label))
    assert spread["spread"].to_list() == pytest.approx([0.04 - -0.02])
    assert compute_decile_spread(scored([1.0] * 20, label))["spread"].to_list() == [0.0]


def test_that_turning_the_order_round_trades_the_whole_book() -> None:
    first = scored([1.0, 2.0, 3.0, 4.0], [0.1] * 4)
    turned = scored([4.0, 3.0, 2.0, 1.0], [0.1] * 4, NEXT)
    same = first.with_columns(pl.lit(NEXT).alias("session"))
    assert compute_turnover(pl.concat([first, turned])).rows() == [(NEXT, pytest.approx(1.0))]
    assert compute_turnover(pl.concat([first, same])).rows() == [(NEXT, pytest.approx(0.0))]


def test_that_scores_of_a_perfect_forecast_are_suspected() -> None:
    frame = pl.concat([scored([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4], day) for day in weekdays(12)])
    scores = compute_scores(frame, horizon_sessions=5)
    assert (scores.sessions, scores.rows, scores.rank_ic, scores.hit_rate) == (12, 48, 1.0, 1.0)
    assert scores.decile_spread == pytest.approx(0.3)
    assert scores.turnover == 0.0
    assert np.isnan(scores.icir)
    assert [words.split(" ")[0] for words in scores.suspicions()] == ["rank", "hit"]


def test_that_scores_agree_with_their_parts() -> None:
    rng = np.random.default_rng(8)
    days = weekdays(60)
    frame = pl.concat([scored(rng.normal(size=12).tolist(), rng.normal(size=12).tolist(), d) for d in days])
    scores, series = compute_scores(frame, horizon_sessions=5), compute_ic(frame)["rank_ic"].to_numpy()
    assert scores.rank_ic == pytest.approx(series.mean())
    assert scores.icir == pytest.approx(series.mean() / series.std(ddof=1))
    assert scores.t_newey_west == pytest.approx(compute_newey_west_t(series, lag=4))
    assert scores.rank_ic_high - scores.rank_ic == pytest.approx(
        1.95996 * compute_newey_west_error(series, lag=4), rel=1e-4
    )
    assert scores.bootstrap_low < scores.rank_ic < scores.bootstrap_high
    assert set(asdict(scores)) == set(Scores.__dataclass_fields__)


def test_that_nothing_to_score_is_refused() -> None:
    with pytest.raises(ValueError, match="none of 2 rows can be scored; a session needs 3 labels"):
        compute_scores(scored([1.0, 2.0], [0.1, 0.2]), horizon_sessions=5)
