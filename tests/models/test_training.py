"""Which rows a forecaster is handed, and what a walk-forward returns."""

from __future__ import annotations

from datetime import date
from typing import Any, Self

import polars as pl
import pytest

from models.base import Forecaster, build_forecaster
from models.metrics import compute_scores
from models.splits import plan_splits
from models.training import fit_final, forecast_part, walk_forward
from tests.models.market import feature_names, make_market
from tests.models.settings import MODELS, SPLIT

OUTCOMES = ("label", "target")


class Recorder:
    """A forecaster that keeps what it is handed and forecasts its first feature."""

    family = "recorder"
    history_sessions = 3
    caveats = ("counted on fingers",)

    def __init__(self) -> None:
        self.feature_names = ("mom_return_5d",)
        self.fitted: list[pl.DataFrame] = []
        self.asked: list[tuple[pl.DataFrame, date | None]] = []

    def fit(self, train: pl.DataFrame, validation: pl.DataFrame) -> Self:
        self.fitted = [train, validation]
        return self

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        self.asked.append((frame, first_session))
        value = -pl.col("mom_return_5d").fill_null(0.0)
        wanted = frame.filter(pl.col("session") >= first_session) if first_session else frame
        return wanted.select("symbol", "session", value.alias("value")).sort("session", "symbol")

    def importance(self) -> dict[str, float]:
        return {"mom_return_5d": 1.0}

    def save(self, folder: Any) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Any) -> Self:
        raise NotImplementedError


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return make_market(symbols=10, sessions=260, seed=2, alpha=3.0)


def test_that_a_fit_sees_purged_sessions_without_their_outcomes(frame: pl.DataFrame) -> None:
    recorder = Recorder()
    final = fit_final(frame, SPLIT, lambda _: recorder)
    train, validation = recorder.fitted
    assert train["session"].max() < final.fold.validation.first
    hidden = train.filter(pl.col("session") > final.fold.fit.last)
    assert hidden["session"].n_unique() == 10
    assert hidden.select(pl.col("target", "label", "label_end").is_null().all()).row(0) == (True, True, True)
    assert hidden["mom_return_5d"].null_count() < hidden.height
    labelled = train.filter(pl.col("target").is_not_null())
    assert labelled["label_end"].max() <= final.fold.fit.known_by
    assert validation["target"].null_count() == 0
    assert final.rows == labelled.height + validation.height
    assert final.fitted_until == validation["label_end"].max()


def test_that_the_holdout_decides_nothing(frame: pl.DataFrame) -> None:
    final = fit_final(frame, SPLIT, lambda _: build_forecaster("xgboost", MODELS, feature_names(frame)))
    holdout = pl.col("session") >= final.fold.test.first
    scrambled = frame.with_columns(
        pl.when(holdout).then(-pl.col(name)).otherwise(pl.col(name)).alias(name) for name in OUTCOMES
    )
    again = fit_final(scrambled, SPLIT, lambda _: build_forecaster("xgboost", MODELS, feature_names(frame)))
    assert forecast_part(again.forecaster, frame, final.fold.test).equals(
        forecast_part(final.forecaster, frame, final.fold.test)
    )


def test_that_a_test_part_brings_history_and_no_outcomes(frame: pl.DataFrame) -> None:
    recorder = Recorder()
    part = plan_splits(frame, SPLIT).final.test
    answer = forecast_part(recorder, frame, part)
    handed, first = recorder.asked[0]
    assert handed.columns == ["symbol", "session", "mom_return_5d"]
    assert first == part.first
    days = frame["session"].unique().sort().to_list()
    assert handed["session"].min() == days[days.index(part.first) - 2]
    assert handed["session"].max() == part.last
    assert answer.columns == ["symbol", "session", "value", "label", "target"]
    assert answer["session"].n_unique() == SPLIT.holdout_sessions


def test_that_a_walk_forward_tiles_the_test_sessions(frame: pl.DataFrame) -> None:
    built: list[str] = []

    def build(name: str) -> Forecaster:
        built.append(name)
        return Recorder()

    result = walk_forward(frame, SPLIT, build)
    assert built == ["fold-1", "fold-2"]
    assert [fold.name for fold in result.folds] == built
    assert result.forecasts["session"].n_unique() == SPLIT.n_folds * SPLIT.test_sessions
    assert result.forecasts["session"].max() == result.plan.folds[-1].test.last
    assert result.forecasts["session"].max() < result.plan.final.test.first
    second = result.forecasts.filter(pl.col("fold") == "fold-2")
    assert result.folds[1].scores == compute_scores(second, horizon_sessions=5)
    assert result.scores == compute_scores(result.forecasts, horizon_sessions=5)
