"""What is new, what is refused, and what goes to quarantine."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
from pyspark.sql import SparkSession

from pipelines.stages.ingest import steps
from pipelines.tables import queries
from pipelines.tables.record_kinds import ACTIONS, BARS, TEXTS
from tests.pipelines.stages.ingest.judging import DELIVERED, FIRST, NOW, action, bar, judge, judging, text

UNSTAMPED = judging(stamped=False, by_content=True)


def new(judged: pl.DataFrame) -> list[tuple[str, str]]:
    """Delivery and close of the rows that land."""
    return judged.filter("fresh").sort("place", "record_hash").select("delivery", "close").rows()


def test_the_hash_is_the_one_of_the_distributed_engine(spark: SparkSession) -> None:
    columns = ("symbol", "text")
    rows = pl.DataFrame(
        {"symbol": ["A", None, "é"], "text": ["", "x\x1fy", None], "received_at": ["1", "2", None]}
    )
    for stamped in (True, False):
        said = queries.record_hash(columns, stamped=stamped)
        there = spark.createDataFrame(rows.rows(), rows.columns).selectExpr("*", said).collect()
        here = steps.hash_records(rows, columns, stamped=stamped)["record_hash"].to_list()
        assert [row["record_hash"] for row in there] == here
        assert len(set(here)) == 3


def test_a_stamp_that_is_no_part_of_a_record_counts_as_none() -> None:
    sent = pl.DataFrame({"symbol": ["A", "A"], "received_at": ["1", None]})
    unstamped, stamped = (
        steps.hash_records(sent, ("symbol",), stamped=stamped)["record_hash"].to_list()
        for stamped in (False, True)
    )
    assert unstamped == [stamped[1]] * 2 != stamped


def test_a_text_belongs_to_the_first_close_that_leaves_time_for_it() -> None:
    by = judging(TEXTS, stamped=False)
    days = {"2024-07-02T19:45:00Z": date(2024, 7, 2), "2024-07-02T19:45:01Z": date(2024, 7, 3)}
    for published, day in days.items():
        assert judge(by, text(published_at=published))["session_date"].item() == day


def test_an_action_counts_for_the_first_session_from_its_ex_date_on() -> None:
    by = judging(ACTIONS, stamped=False)
    days = {
        "2024-07-03": date(2024, 7, 3),
        "2024-07-04": date(2024, 7, 5),
        "2024-07-06": date(2024, 7, 8),
        "2024-08-03": date(2024, 8, 3),  # beyond what the calendar knows
        "1985-06-01": date(1985, 6, 1),
    }
    for ex_date, day in days.items():
        assert judge(by, action(session=ex_date))["session_date"].item() == day


def test_split_and_dividend_of_a_day_are_two_things() -> None:
    by = judging(ACTIONS, stamped=False, by_content=True)
    both = action(), action(kind="dividend", value="0.5")
    assert not judge(by, *both)["conflicting"].any()
    told = judge(by, *both, action(value="1", delivery="two"), both[1] | {"delivery": "two"})
    fresh = told.filter("fresh").sort("place", "kind").select("kind", "value", "delivery").rows()
    assert fresh == [("dividend", "0.5", "one"), ("split", "2", "one"), ("split", "1", "two")]


def test_a_text_from_before_the_calendar_belongs_to_no_session() -> None:
    by = judging(TEXTS, stamped=False)
    first = by.closes["session"].min()
    days = {f"{first}T00:00:00Z": first, f"{first - timedelta(days=1)}T23:59:59Z": None}
    for published, day in days.items():
        assert judge(by, text(published_at=published))["session_date"].item() == day


def test_a_sound_row_carries_what_bronze_holds() -> None:
    (row,) = judge(judging(), bar(received_at="2024-07-03T20:15:00Z")).to_dicts()
    assert (row["source"], row["delivery"], row["delivered_at"]) == ("feed", "one", FIRST)
    assert (row["session_date"], row["landed_at"], row["broken"]) == (date(2024, 7, 3), NOW, None)
    assert (row["ingest_date"], row["close"]) == (NOW.date(), "10")


def test_a_value_that_comes_back_is_news_each_time() -> None:
    sent = [bar(close=close, delivery=name) for close, name in zip("98A", DELIVERED, strict=True)]
    sent[2]["close"] = "9"
    assert new(judge(UNSTAMPED, *sent)) == [("one", "9"), ("two", "8"), ("three", "9")]


def test_what_the_delivery_before_said_is_no_news() -> None:
    rows = [bar(delivery=name) for name in DELIVERED]
    assert new(judge(UNSTAMPED, *rows)) == [("one", "10")]
    held = judge(UNSTAMPED, bar())["record_hash"].item()
    assert new(judge(UNSTAMPED, bar(), standing_hash=held, standing_at=FIRST)) == []
    changed = judge(UNSTAMPED, bar(close="9"), bar(delivery="two"), standing_hash=held, standing_at=FIRST)
    assert new(changed) == [("one", "9"), ("two", "10")]


def test_a_delivery_older_than_the_one_a_key_stands_on_is_no_news() -> None:
    held = {"standing_hash": "other", "standing_at": FIRST + timedelta(minutes=1)}
    assert new(judge(UNSTAMPED, bar(), bar(close="9", delivery="two"), **held)) == [("two", "9")]


def test_a_stamped_record_is_new_by_its_hash() -> None:
    row = bar(received_at="2024-07-03T20:15:00Z")
    assert new(judge(judging(), row, row | {"delivery": "two"})) == [("one", "10")]
    assert new(judge(judging(), row, standing_hash="there")) == []


def test_exact_repeats_of_a_delivery_are_counted_and_land_once() -> None:
    judged = judge(UNSTAMPED, bar(), bar())
    assert judged["copies"].to_list() == [2]
    (row,) = steps.quarantined(judged, kind=BARS).to_dicts()
    assert (row["rule"], row["place"], row["session"]) == ("duplicate", "symbol,session", "2024-07-03")


def test_of_two_that_contradict_each_other_the_greater_hash_stays() -> None:
    judged = judge(UNSTAMPED, bar(), bar(close="9"))
    stays = judged.filter(~pl.col("conflicting"))["record_hash"].item()
    assert stays == judged["record_hash"].max()
    assert steps.quarantined(judged, kind=BARS)["rule"].to_list() == ["conflicting_duplicate"]
    assert judged["fresh"].to_list() == [True, True]


def test_a_broken_record_contradicts_nobody() -> None:
    judged = judge(UNSTAMPED, bar(), bar(close="-1"))
    assert not judged["conflicting"].any()
    refused = steps.quarantined(judged, kind=BARS)
    assert refused["rule"].sort().to_list() == ["non_positive_price", "ohlc_inconsistent"]
    assert {json.loads(payload)["close"] for payload in refused["payload"]} == {"-1"}


def test_a_delivery_is_judged_by_share_and_by_count() -> None:
    facts = pl.DataFrame({"place": [0, 1, 2], "records": [12, 100, 100], "refused": [1, 5, 6]})
    assert steps.find_overfull(facts, allowed=0.05, least=5) == [2]
    assert steps.find_overfull(facts, allowed=0.05, least=1) == [0, 2]


def test_a_stamp_that_does_not_count_trails_nothing() -> None:
    by = judging(stamps_from=datetime(2024, 7, 4, tzinfo=UTC))
    old = judge(by, bar(session="2024-06-03", received_at="2024-07-03T20:00:01Z"))
    assert old.select("trailing", "known_by").rows() == [(False, "assumed")]


def test_a_late_stamp_is_marked_as_trailing() -> None:
    rows = [bar(session="2024-06-03", received_at=f"2024-07-03T1{hour}:00:00Z") for hour in (8, 9)]
    trailing = judge(judging(), rows[0], bar(received_at="2024-07-03T18:00:00Z"))
    assert trailing.sort("session_date")["trailing"].to_list() == [False, False]
    old = judge(judging(), bar(session="2024-06-03", received_at="2024-07-03T20:00:01Z"))
    assert old["trailing"].to_list() == [True]
