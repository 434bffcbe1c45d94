"""One table on common rows, its pairs and its order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from models.evaluation import align, evaluate
from models.metrics import compute_ic
from tests.models.market import weekdays

DAYS = weekdays(40)


def make_rows() -> pl.DataFrame:
    rng = np.random.default_rng(2)
    rows = [(f"S{k}", day) for day in DAYS for k in range(8)]
    frame = pl.DataFrame(rows, schema=["symbol", "session"], orient="row")
    label = rng.standard_normal(len(rows))
    return frame.with_columns(
        pl.Series("label", label), pl.Series("good", label + rng.standard_normal(len(rows))),
        pl.Series("poor", label + 9 * rng.standard_normal(len(rows))),
    )  # fmt: skip


ROWS = make_rows()
TRUTH = ROWS.select("symbol", "session", "label")


def forecast(name: str) -> pl.DataFrame:
    return ROWS.select("symbol", "session", pl.col(name).alias("value"))


def zero() -> pl.DataFrame:
    return forecast("good").with_columns(pl.lit(0.0).alias("value"))


def test_that_losers_stay_and_the_best_comes_first() -> None:
    table = evaluate(
        {"poor": forecast("poor"), "zero": zero(), "good": forecast("good")},
        TRUTH,
        reference="poor",
        horizon_sessions=5,
    )
    assert table["forecaster"].to_list() == ["good", "poor", "zero"]
    assert table["sessions"].to_list() == [40, 40, 40]
    assert table["rows"].to_list() == [320, 320, 320]
    assert table.filter(pl.col("forecaster") == "zero")["rank_ic"].item() == 0.0


def test_that_leads_are_paired_by_session() -> None:
    table = evaluate({"a": forecast("good"), "b": forecast("poor")}, TRUTH, reference="a", horizon_sessions=5)
    own, other = table.row(0, named=True), table.row(1, named=True)
    assert (own["lead"], own["lead_low"], own["lead_high"], own["lead_t"]) == (0.0, 0.0, 0.0, 0.0)
    good, poor = (
        compute_ic(forecast(name).join(TRUTH, on=["symbol", "session"]))["rank_ic"]
        for name in ("good", "poor")
    )
    assert other["lead"] == pytest.approx((good - poor).mean())
    assert other["lead_low"] < other["lead"] < other["lead_high"]
    assert other["lead_bootstrap_low"] < other["lead"] < other["lead_bootstrap_high"]


def test_that_only_rows_common_to_all_count() -> None:
    early = forecast("good").filter(pl.col("session") < DAYS[30])
    gappy = forecast("poor").with_columns(
        pl.when(pl.col("symbol") == "S0").then(None).otherwise(pl.col("value")).alias("value")
    )
    truth = TRUTH.with_columns(
        pl.when(pl.col("session") == DAYS[0]).then(None).otherwise(pl.col("label")).alias("label")
    )
    aligned = align({"a": early, "b": gappy}, truth)
    assert {frame.height for frame in aligned.values()} == {29 * 7}
    assert aligned["a"].select("symbol", "session").equals(aligned["b"].select("symbol", "session"))


def test_that_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reference='x' is not among the forecasts \['a'\]"):
        evaluate({"a": zero()}, TRUTH, reference="x", horizon_sessions=5)
    with pytest.raises(ValueError, match="no labelled row is common to all forecasts"):
        align({"a": zero(), "b": zero().clear()}, TRUTH)
    with pytest.raises(ValueError, match="keep one version of each"):
        align({"a": pl.concat([zero(), zero()])}, TRUTH)
