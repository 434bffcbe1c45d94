"""When a record counts as known, and which records go to quarantine."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from features.sessions import SessionCalendar
from pipelines.stages.ingest import steps
from pipelines.tables.contracts import BRONZE_BARS, BRONZE_TEXTS, OPS_QUARANTINE
from pipelines.tables.record_kinds import BARS, TEXTS

NOW = datetime(2024, 7, 20, 12, tzinfo=UTC)
ARRIVAL = steps.Arrival(
    source="feed",
    closes=SessionCalendar().frame(date(2024, 7, 1), date(2024, 7, 12)).drop("decision_at"),
    delivered=[date(2024, 7, 2)],
    now=NOW,
    lag=timedelta(minutes=30),
    text_close_lag=timedelta(minutes=15),
    fallback=datetime(2024, 7, 8, 12, tzinfo=UTC),
)


def sent(**changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(BARS.columns)
    prices = {"open": "10", "high": "11", "low": "9", "close": "10", "volume": "5"}
    return {
        **row,
        **prices,
        "symbol": "AAA",
        "session": "2024-07-03",
        "received_at": None,
        "record_hash": "h",
        **changes,
    }


def judge(*rows: dict[str, Any]) -> pl.DataFrame:
    frame = pl.DataFrame(
        list(rows), schema_overrides=dict.fromkeys((*BARS.columns, "received_at"), pl.String)
    )
    return steps.judge_records(frame, kind=BARS, arrival=ARRIVAL, contract=BRONZE_BARS)


def test_the_feeds_own_arrival_wins() -> None:
    assert judge(sent(received_at="2024-07-03T18:00:00Z"))["received_at"].item() == datetime(
        2024, 7, 3, 18, tzinfo=UTC
    )


def test_without_one_a_bar_is_known_a_lag_after_its_half_days_close() -> None:
    assert judge(sent())["received_at"].item() == datetime(2024, 7, 3, 17, 30, tzinfo=UTC)


def test_a_session_delivered_again_is_known_now() -> None:
    assert judge(sent(session="2024-07-02"))["received_at"].item() == NOW


def test_a_record_of_no_readable_date_is_dated_by_the_request_and_broken() -> None:
    row = judge(sent(session="soon"))
    assert row["received_at"].item() == ARRIVAL.fallback
    assert json.loads(row["broken"].item()) == [{"rule": "unreadable_session", "place": "session"}]


def test_a_sound_record_is_not_broken_and_nothing_sent_is_changed() -> None:
    row = judge(sent(close="10.10"))
    assert row.select("broken", "close", "session").rows() == [(None, "10.10", "2024-07-03")]


def test_texts_are_placed_by_close_and_known_after_their_lag() -> None:
    published = ["2024-07-03T16:45:00Z", "2024-07-03T16:46:00Z"]
    frame = pl.DataFrame(
        [
            {
                "symbol": "AAA",
                "published_at": moment,
                "text": "up",
                "origin": "wire",
                "received_at": None,
                "record_hash": moment,
            }
            for moment in published
        ],
        schema_overrides={"received_at": pl.String},
    )
    rows = steps.judge_records(frame, kind=TEXTS, arrival=ARRIVAL, contract=BRONZE_TEXTS)
    assert rows["session_date"].to_list() == [date(2024, 7, 3), date(2024, 7, 5)]
    assert rows["received_at"].to_list()[0] == datetime(2024, 7, 3, 17, 15, tzinfo=UTC)


def test_each_broken_rule_is_a_quarantine_row_with_the_payload() -> None:
    rows = steps.broken_rows(judge(sent(open=None, volume="-1")), kind=BARS).sort("rule")
    assert rows.columns == list(OPS_QUARANTINE.columns)
    assert rows.select("rule", "place").rows() == [("negative_value", "volume"), ("null_price", "open")]
    assert json.loads(rows["payload"].to_list()[0])["close"] == "10"


def test_exact_repeats_and_contradictions_are_told_apart() -> None:
    twice = [sent(record_hash="a"), sent(record_hash="a")]
    other = [sent(record_hash="b", close="10.5"), sent(record_hash="c", session="2024-07-05")]
    rows = steps.repeated_rows(judge(*twice, *other), kind=BARS).sort("rule")
    assert rows.select("rule", "record_hash").rows() == [("conflicting_duplicate", "a"), ("duplicate", "a")]


def test_a_batch_above_the_share_is_refused_with_the_way_out() -> None:
    assert steps.check_share(5, 100, allowed=0.05, place="bars") is None
    reason = steps.check_share(6, 100, allowed=0.05, place="bars", rules=["null_price", "duplicate"])
    assert reason is not None
    assert reason.startswith(
        "6 of 100 bars records were refused (6.0%; null_price, duplicate), allowed is 5.0%"
    )


def test_an_empty_batch_is_no_reason_to_stop() -> None:
    assert steps.check_share(0, 0, allowed=0.0, place="bars") is None
