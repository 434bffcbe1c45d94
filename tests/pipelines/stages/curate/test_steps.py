"""Chains of versions: repeats dropped, A → B → A kept, order of arrival irrelevant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.sessions import SessionCalendar
from pipelines.stages.curate import steps
from pipelines.stages.curate.params import CurateParams
from pipelines.tables.contracts import SILVER_ACTIONS, SILVER_BARS
from pipelines.tables.session_grid import SessionGrid

PARAMS = CurateParams(
    suspect_move=0.25,
    revert_share=0.25,
    turnover_multiple=3.0,
    usual_sessions=20,
    stale_sessions=3,
    jump_tolerance=0.1,
)
CALENDAR = SessionCalendar()
SESSIONS = SessionGrid.spanning(CALENDAR, date(2024, 7, 1), date(2024, 7, 12))
RULES = steps.BarRules(
    grid=SESSIONS,
    wanted=steps.Wanted(sessions=None),
    params=PARAMS,
    price_basis={"feed": "raw"},
    actions_of={},
    given={},
    asked=(),
    accepted_jumps={},
)
NOON = datetime(2024, 7, 3, 21, tzinfo=UTC)


def record(close: str, hours: float, **changes: Any) -> dict[str, Any]:
    received = NOON + timedelta(hours=hours)
    return {
        "source": "feed",
        "batch_id": "b",
        "delivery": f"{hours:03}.csv",
        "delivered_at": received,
        "received_at": None,
        "landed_at": received,
        "known_at": received,
        "known_by": "observed",
        "record_hash": f"{close}@{hours}",
        "session_date": date(2024, 7, 3),
        "ingest_date": date(2024, 7, 3),
        "symbol": "AAA",
        "session": "2024-07-03",
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "volume": "10",
        "adjusted_close": None,
        "dividend": None,
        "split": None,
        **changes,
    }


def block(*records: dict[str, Any], rules: steps.BarRules = RULES) -> pl.DataFrame:
    sent = [{"record": "bar", **one} for one in records]
    frame = pl.DataFrame(sent, schema={**steps.RECORD_COLUMNS, "record": pl.String})
    return steps.curate_block(frame, rules=rules)


def versions(*records: dict[str, Any], rules: steps.BarRules = RULES) -> pl.DataFrame:
    return block(*records, rules=rules).filter(part="bars").select(SILVER_BARS.columns)


def actions(*records: dict[str, Any], rules: steps.BarRules = RULES) -> pl.DataFrame:
    return block(*records, rules=rules).filter(part="actions").select(SILVER_ACTIONS.columns)


def test_repeats_make_no_version_and_a_return_to_the_first_value_makes_three() -> None:
    chain = versions(record("10", 0), record("10", 1), record("11", 2), record("10", 3))
    assert chain["close"].to_list() == [10.0, 11.0, 10.0]
    assert chain["known_at"].to_list() == [NOON, NOON + timedelta(hours=2), NOON + timedelta(hours=3)]


def test_event_timestamp_is_the_half_days_close() -> None:
    assert versions(record("10", 0))["event_timestamp"].to_list() == [datetime(2024, 7, 3, 17, tzinfo=UTC)]


def test_refused_records_have_no_version() -> None:
    assert versions(record("10", 0), record("-1", 1))["close"].to_list() == [10.0]


def test_of_contradicting_records_of_one_instant_the_greatest_hash_stays() -> None:
    chain = versions(record("10", 0, record_hash="a"), record("12", 0, record_hash="b"))
    assert chain.select("close", "record_hash").rows() == [(12.0, "b")]


def test_of_records_known_at_one_instant_the_last_delivery_stays() -> None:
    early = record("12", 0, delivered_at=NOON - timedelta(hours=3), record_hash="z")
    assert versions(record("10", 0, record_hash="a"), early)["close"].to_list() == [10.0]
    named = record("12", 0, delivery="z.csv", record_hash="0")
    assert versions(record("10", 0, record_hash="a"), named)["close"].to_list() == [12.0]


def test_a_record_whose_stamp_was_refused_has_no_version() -> None:
    assert versions(record("10", 0), record("12", 1, known_at=None))["close"].to_list() == [10.0]


def test_records_of_an_earlier_version_are_known_when_they_were_received() -> None:
    old = record("10", 0, delivery=None, delivered_at=None, known_at=None, received_at=NOON)
    assert versions(old).select("known_at", "known_by").rows() == [(NOON, "observed")]


def test_feeds_beside_one_another_do_not_mix() -> None:
    chains = versions(record("10", 0), record("12", 1, source="other"), record("10", 2))
    assert chains.select("source", "close", "price_basis").rows() == [
        ("feed", 10.0, "raw"),
        ("other", 12.0, None),
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["10", "11", "20", "5"]), st.integers(0, 6)), min_size=1, max_size=6),
    st.randoms(),
)
def test_the_order_of_arrival_does_not_matter(sent: list[tuple[str, int]], random: Any) -> None:
    records = [record(close, hours) for close, hours in sent]
    shuffled = list(records)
    random.shuffle(shuffled)
    assert versions(*records).equals(versions(*shuffled))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["10", "11", "20"]), st.integers(0, 6)), min_size=1, max_size=5),
    st.tuples(st.sampled_from(["10", "11", "20"]), st.integers(7, 9)),
)
def test_what_is_known_later_changes_nothing_known_before(
    sent: list[tuple[str, int]], later: tuple[str, int]
) -> None:
    records = [record(close, hours) for close, hours in sent]
    before = versions(*records)
    after = versions(*records, record(*later))
    assert after.filter(pl.col("known_at") < NOON + timedelta(hours=7)).equals(before)


def test_actions_are_announced_and_taken_back() -> None:
    said = actions(record("10", 0, dividend="0.5"), record("10", 2, dividend="0.6"), record("10", 4))
    assert said.select("kind", "value", "valid").rows() == [
        ("dividend", 0.5, True),
        ("dividend", 0.6, True),
        ("dividend", None, False),
    ]


def test_gaps_and_stale_prices_are_found() -> None:
    days = ["2024-07-01", "2024-07-02", "2024-07-05", "2024-07-08", "2024-07-09", "2024-07-10", "2024-07-11"]
    quiet = [
        record(
            "10", place, session=day, session_date=date.fromisoformat(day), volume="0" if place > 2 else "9"
        )
        for place, day in enumerate(days)
    ]
    found = steps.quality_findings(versions(*quiet), grid=SESSIONS, stale_sessions=3).sort(
        "finding", "session"
    )
    assert found.select("finding", "session").rows()[0] == ("gap", date(2024, 7, 5))
    assert found.filter(pl.col("finding") == "stale").height == 5


@pytest.mark.parametrize("touched", [[date(2024, 7, 2)], []])
def test_only_wanted_sessions_and_symbols_come_out(touched: list[date]) -> None:
    wanted = replace(RULES, wanted=steps.Wanted(sessions=touched))
    assert versions(record("10", 0), rules=wanted).is_empty()
    whole = replace(RULES, wanted=steps.Wanted(sessions=touched, symbols=frozenset({"AAA"})))
    assert versions(record("10", 0), record("10", 0, symbol="BBB"), rules=whole)["symbol"].to_list() == [
        "AAA"
    ]
