"""How many records of a delivery only repeat what stands."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from pipelines.stages.ingest.overlap import count_repeats, mark_overlap, merge_counts
from pipelines.tables.record_kinds import TEXTS
from tests.pipelines.stages.ingest.judging import FIRST, bar, judge, judging, text

BY = judging(stamped=False, by_content=True)
DAYS = ("2024-07-01", "2024-07-02")


def counted(judged: pl.DataFrame) -> list[tuple[object, ...]]:
    return count_repeats(judged).sort("place", "symbol").rows()


def test_what_stands_is_counted_by_delivery_and_symbol() -> None:
    past = [bar(session=day) for day in DAYS]
    known = judge(BY, *past)["record_hash"].to_list()
    judged = judge(BY, *past, bar(), bar(symbol="BBB"))
    told = judged.with_columns(fresh=~pl.col("record_hash").is_in(known))
    assert counted(told) == [(0, "AAA", 2)]
    marked = mark_overlap(told, count_repeats(told))
    assert marked.filter("fresh").sort("symbol").select("symbol", "overlap").rows() == [
        ("AAA", 2),
        ("BBB", 0),
    ]
    assert marked.columns == told.columns


def test_a_later_delivery_of_the_same_run_repeats_the_one_before() -> None:
    both = judge(BY, *(bar(session=day, delivery=name) for name in ("one", "two") for day in DAYS))
    assert counted(both) == [(1, "AAA", 2)]


def test_what_is_refused_old_or_contradicted_shows_nothing() -> None:
    broken = bar(close="-1")
    held = judge(BY, broken)["record_hash"].item()
    assert counted(judge(BY, broken, standing_hash=held, standing_at=FIRST)) == []
    held = judge(BY, bar())["record_hash"].item()
    late = FIRST + timedelta(minutes=1)
    assert counted(judge(BY, bar(), standing_hash=held, standing_at=FIRST)) == [(0, "AAA", 1)]
    assert counted(judge(BY, bar(), standing_hash=held, standing_at=late)) == []
    two = judge(BY, bar(), bar(close="9.5"))
    assert counted(two.with_columns(fresh=pl.lit(value=False))) == [(0, "AAA", 1)]


def test_a_stamped_record_repeats_itself_alone() -> None:
    sent = bar(received_at="2024-07-03T20:15:00Z")
    assert counted(judge(judging(), sent, standing_hash="there")) == [(0, "AAA", 1)]
    assert counted(judge(judging(), sent)) == []


def test_counts_of_parts_add_up_and_can_be_taken_back() -> None:
    held = judge(BY, bar())["record_hash"].item()
    one = count_repeats(judge(BY, bar(), standing_hash=held, standing_at=FIRST))
    none = one.clear()
    assert merge_counts(none, none).equals(none)
    assert merge_counts(one, one).rows() == [(0, "AAA", 2)]
    assert merge_counts(one, one, less=one).rows() == [(0, "AAA", 1)]


def test_texts_keep_no_count() -> None:
    judged = judge(judging(TEXTS, stamped=False), text())
    assert mark_overlap(judged, count_repeats(judged)).equals(judged)
