"""Which sessions may be forecast, what each looks at, and how a universe is scored."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from features.sessions import SessionCalendar
from pipelines.stages.forecast.steps import (
    Stamp,
    choose_sessions,
    forecast_group,
    plan_history,
    score_universe,
)

MONDAY, TUESDAY, WEDNESDAY = date(2018, 1, 8), date(2018, 1, 9), date(2018, 1, 10)
CALENDAR = SessionCalendar("XNYS", decision_lead_minutes=60)
DECISIONS = {day: CALENDAR.decision_at(day) for day in (MONDAY, TUESDAY, WEDNESDAY)}


class LastFeature:
    """Forecasts the feature itself, or its mean over the history given."""

    family = "last"
    feature_names = ("f",)
    history_sessions = 1
    quantiles = False

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        value = pl.col("f").mean().over("symbol").alias("value")
        rows = frame.with_columns(value).filter(pl.col("session") >= first_session).sort("session", "symbol")
        scored = rows.select("symbol", "session", "value")
        bounds = [
            (pl.col("value") + step).alias(name) for name, step in (("q10", -1), ("q50", 0), ("q90", 1))
        ]
        return scored.with_columns(bounds) if self.quantiles else scored


def forecaster(**values: Any) -> Any:
    built = LastFeature()
    for name, value in values.items():
        setattr(built, name, value)
    return built


def universe(rows: list[tuple[str, date, float]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"symbol": pl.String, "session": pl.Date, "f": pl.Float64}, orient="row")


def test_sessions_decided_before_the_last_label_end_are_refused() -> None:
    fitted_until = datetime(2018, 1, 10, 13, 30, tzinfo=UTC)
    choice = choose_sessions(DECISIONS, fitted_until, allow_in_sample=False)
    assert DECISIONS[TUESDAY] == fitted_until
    assert choice.sessions == (TUESDAY, WEDNESDAY)
    assert (choice.refused, choice.in_sample) == (1, frozenset())


def test_in_sample_sessions_are_marked_on_request() -> None:
    fitted_until = datetime(2018, 1, 10, 13, 30, 1, tzinfo=UTC)
    choice = choose_sessions(DECISIONS, fitted_until, allow_in_sample=True)
    assert choice.sessions == (MONDAY, TUESDAY, WEDNESDAY)
    assert (choice.refused, choice.in_sample) == (0, frozenset({MONDAY, TUESDAY}))


def test_history_names_the_sessions_before_each_forecast_session() -> None:
    plan = plan_history([TUESDAY, WEDNESDAY], CALENDAR.frame(date(2018, 1, 5), WEDNESDAY), 3)
    assert plan.select("forecast_session", "session").rows() == [
        (TUESDAY, date(2018, 1, 5)), (TUESDAY, MONDAY), (TUESDAY, TUESDAY),
        (WEDNESDAY, MONDAY), (WEDNESDAY, TUESDAY), (WEDNESDAY, WEDNESDAY),
    ]  # fmt: skip
    assert plan["decision_at"].to_list() == [DECISIONS[TUESDAY]] * 3 + [DECISIONS[WEDNESDAY]] * 3
    assert plan["event_timestamp"][0] == datetime(2018, 1, 9, 21, tzinfo=UTC)


def test_row_model_looks_at_its_own_session_alone() -> None:
    plan = plan_history([TUESDAY, WEDNESDAY], CALENDAR.frame(TUESDAY, WEDNESDAY), 1)
    assert plan.select("forecast_session", "session").rows() == [(TUESDAY, TUESDAY), (WEDNESDAY, WEDNESDAY)]


def test_universe_is_who_has_a_row_of_the_session() -> None:
    rows = universe([("A", TUESDAY, 2.0), ("B", TUESDAY, 1.0), ("C", MONDAY, 9.0), ("D", TUESDAY, 1.0)])
    scored = score_universe(rows, forecaster(), TUESDAY)
    assert scored["symbol"].to_list() == ["A", "B", "D"]
    assert scored["rank"].to_list() == pytest.approx([2.5 / 3, 1.0 / 3, 1.0 / 3])
    assert scored["universe"].to_list() == [3, 3, 3]
    assert scored["q10"].null_count() == 3


def test_history_reaches_the_model_and_only_the_session_comes_back() -> None:
    rows = universe([("A", MONDAY, 0.0), ("A", TUESDAY, 2.0), ("B", TUESDAY, 5.0)])
    scored = score_universe(rows, forecaster(quantiles=True), TUESDAY)
    assert scored["value"].to_list() == [1.0, 5.0]
    assert scored.select("q10", "q50", "q90").row(0) == (0.0, 1.0, 2.0)
    assert scored["session"].to_list() == [TUESDAY, TUESDAY]


def test_session_without_rows_gives_no_forecast() -> None:
    assert score_universe(universe([("A", MONDAY, 1.0)]), forecaster(), TUESDAY).is_empty()


def test_group_is_stamped_with_model_and_instants() -> None:
    issued = datetime(2018, 1, 10, 13, 0, tzinfo=UTC)
    stamp = Stamp(
        horizon=5,
        model_key="k1",
        model_version="3",
        family="xgboost",
        issued_at=issued,
        in_sample=frozenset({TUESDAY}),
    )
    closed = CALENDAR.close_at(TUESDAY)
    rows = universe([("A", TUESDAY, 2.0)]).with_columns(
        pl.lit(TUESDAY).alias("forecast_session"),
        pl.lit(closed).alias("event_timestamp"),
        pl.lit(DECISIONS[TUESDAY]).alias("decision_at"),
    )
    row = forecast_group(rows, forecaster(), stamp).to_dicts()[0]
    assert row == {
        "symbol": "A", "session": TUESDAY, "value": 2.0, "rank": 0.5, "q10": None, "q50": None, "q90": None,
        "universe": 1, "horizon": 5, "model_key": "k1", "model_version": "3", "family": "xgboost",
        "decision_at": DECISIONS[TUESDAY], "issued_at": issued, "event_timestamp": closed,
        "in_sample": True, "month": "2018-01",
    }  # fmt: skip
