"""Baselines whose forecasts can be written out."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from models.base import build_forecaster
from models.baselines import MomentumForecaster, ReversalForecaster, RidgeForecaster
from models.linear import fit_ridge
from tests.models.market import feature_names, make_market
from tests.models.settings import MODELS

DAY = date(2020, 1, 2)
ROWS = pl.DataFrame({"symbol": list("ABCD"), "session": [DAY] * 4, "r": [0.03, -0.01, None, 0.0]})


def test_that_reversal_turns_ranks_round_and_unknown_is_the_middle() -> None:
    forecasts = ReversalForecaster("r").predict(ROWS)
    assert forecasts["value"].to_list() == pytest.approx([-1 / 3, 1 / 3, 0.0, 0.0])


def test_that_momentum_keeps_ranks() -> None:
    forecasts = MomentumForecaster("r").predict(ROWS)
    assert forecasts["value"].to_list() == pytest.approx([1 / 3, -1 / 3, 0.0, 0.0])


def test_that_baselines_take_their_features_from_the_settings() -> None:
    names = ["mom_return_5d", "mom_return_12_1", "other"]
    assert build_forecaster("reversal", MODELS, names).feature_names == ("mom_return_5d",)
    assert build_forecaster("momentum", MODELS, names).feature_names == ("mom_return_12_1",)
    assert build_forecaster("zero", MODELS, names).feature_names == tuple(names)


def test_that_ridge_fits_both_parts() -> None:
    frame = make_market(symbols=8, sessions=40, seed=1)
    names = tuple(feature_names(frame))
    days = frame["session"].unique().sort()
    early = frame.filter(pl.col("session") < days[25])
    fitted = RidgeForecaster(2.0, names).fit(early, frame.filter(pl.col("session") >= days[25]))
    matrix = frame.select(names).to_numpy().astype("float32")
    expected = fit_ridge(matrix, frame["target"].to_numpy(), shrinkage=2.0).score(matrix)
    assert fitted.predict(frame)["value"].to_list() == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)
