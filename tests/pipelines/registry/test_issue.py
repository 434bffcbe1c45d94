"""What each session looks at, and how a universe is scored, stamped and named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from features.sessions import SessionCalendar
from pipelines.registry.issue import (
    Stamp,
    digest_inputs,
    forecast_group,
    name_issue,
    plan_history,
    score_universe,
)

MONDAY, TUESDAY, WEDNESDAY = date(2018, 1, 8), date(2018, 1, 9), date(2018, 1, 10)
CALENDAR = SessionCalendar("XNYS", decision_lead_minutes=60)
DECISIONS = {day: CALENDAR.decision_at(day) for day in (MONDAY, TUESDAY, WEDNESDAY)}
CUTS = {day: CALENDAR.cutoff_at(day) for day in (MONDAY, TUESDAY, WEDNESDAY)}


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


def test_history_names_the_sessions_before_each_forecast_session() -> None:
    plan = plan_history([TUESDAY, WEDNESDAY], CALENDAR.frame(date(2018, 1, 5), WEDNESDAY), 3)
    assert plan.select("forecast_session", "session").rows() == [
        (TUESDAY, date(2018, 1, 5)), (TUESDAY, MONDAY), (TUESDAY, TUESDAY),
        (WEDNESDAY, MONDAY), (WEDNESDAY, TUESDAY), (WEDNESDAY, WEDNESDAY),
    ]  # fmt: skip
    assert plan["decision_at"].to_list() == [DECISIONS[TUESDAY]] * 3 + [DECISIONS[WEDNESDAY]] * 3
    assert plan["cutoff_at"].to_list() == [CUTS[TUESDAY]] * 3 + [CUTS[WEDNESDAY]] * 3
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
        pl.lit(CUTS[TUESDAY]).alias("cutoff_at"),
        pl.lit(DECISIONS[TUESDAY]).alias("decision_at"),
    )
    row = forecast_group(rows, forecaster(), stamp).to_dicts()[0]
    inputs = digest_inputs(rows, TUESDAY, ["f"])
    assert row == {
        "symbol": "A", "session": TUESDAY, "value": 2.0, "rank": 0.5, "q10": None, "q50": None, "q90": None,
        "universe": 1, "horizon": 5, "model_key": "k1", "model_version": "3", "family": "xgboost",
        "issue": name_issue(TUESDAY, 5, "k1", inputs), "input_digest": inputs, "cutoff_at": CUTS[TUESDAY],
        "decision_at": DECISIONS[TUESDAY], "issued_at": issued, "event_timestamp": closed,
        "in_sample": True, "month": "2018-01",
    }  # fmt: skip


def test_inputs_are_told_apart_by_what_was_scored_alone() -> None:
    rows = universe([("A", MONDAY, 0.5), ("A", TUESDAY, 2.0), ("B", TUESDAY, 5.0), ("C", MONDAY, 9.0)])
    known = digest_inputs(rows, TUESDAY, ["f"])
    assert len(known) == 64
    assert digest_inputs(rows.reverse().with_columns(other=pl.lit(1)), TUESDAY, ["f"]) == known
    assert digest_inputs(rows.filter(pl.col("symbol") != "C"), TUESDAY, ["f"]) == known
    others = [
        rows.filter(pl.col("symbol") != "B"),
        rows.filter((pl.col("symbol") != "A") | (pl.col("session") == TUESDAY)),
        rows.with_columns(pl.col("f").replace(0.5, 0.5000001)),
        rows.with_columns(pl.when(pl.col("f") != 5.0).then("f").alias("f")),
        rows.with_columns(pl.col("f").replace(5.0, float("nan"))),
    ]
    assert len({known, *(digest_inputs(other, TUESDAY, ["f"]) for other in others)}) == 6


def test_an_issue_is_named_by_session_horizon_model_and_inputs() -> None:
    name = name_issue(TUESDAY, 5, "k1", "d1")
    assert name == name_issue(TUESDAY, 5, "k1", "d1")
    assert len(name) == 16
    others = [(MONDAY, 5, "k1", "d1"), (TUESDAY, 1, "k1", "d1"), (TUESDAY, 5, "k2", "d1")]
    assert len({name, *(name_issue(*other) for other in others)}) == 4
