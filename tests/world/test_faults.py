"""One short story for each promise that files, a clock and the command line can show broken."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest
from deltalake import DeltaTable

from tests.world import calendar as exchange
from tests.world.commands import strike_once
from tests.world.conftest import MON, PAST, SYMBOLS, THU, TUE, WED, SmallHome, bar, evening
from tests.world.play import instants
from tests.world.records import Text

pytestmark = pytest.mark.world
Opener = Callable[..., SmallHome]
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def night(session: object, hour: int = 3) -> datetime:
    """Return an hour of the night after a session."""
    return exchange.in_new_york(session + DAY, hour)  # type: ignore[operator]


def said(symbol: str, session: object, hour: int, minute: int, words: str) -> Text:
    """Return a text published at a time of a day in New York."""
    return Text(symbol, exchange.in_new_york(session, hour, minute).isoformat(), words)  # type: ignore[arg-type]


def test_what_comes_between_the_evening_and_the_morning_is_read(open_small: Opener) -> None:
    small = open_small(stamped=True)
    small.load_past()
    friday, monday = PAST[-1], MON
    small.drop("night.csv", night(friday), bar("AAA", friday, 51, night(friday)))
    small.drop("sunday.csv", night(friday) + DAY, bar("BBB", friday, 52, night(friday) + DAY))
    small.drop_day(monday)
    assert small.ingest(monday) == 0
    assert small.bars(friday)[-1] == (night(friday), "stamp", 51.0)
    assert small.bars(friday, "BBB")[-1] == (night(friday) + DAY, "stamp", 52.0)


@pytest.mark.parametrize("stamped", [True, False])
def test_bulk_daily_with_an_outage_and_out_of_order_end_alike(open_small: Opener, stamped: bool) -> None:
    orders = {"bulk": [], "daily": [MON, TUE, WED], "outage": [MON, WED], "mixed": [TUE, MON, WED]}
    ends = {}
    for name, order in orders.items():
        small = open_small(stamped=stamped, name=name)
        small.load_past()
        for day in [MON, TUE, WED] if name == "bulk" else []:
            small.drop_day(day, close=50 + day.day)
        if name == "bulk":
            assert small.home.load(MON, WED, exchange.cut(WED)).exit_code == 0
        written = set()
        for day in order:
            for session in (MON, TUE, WED):
                if session <= day and session not in written:
                    written.add(session)
                    small.drop_day(session, close=50 + session.day)
            assert small.ingest(day, exchange.cut(max(written))) == 0
        ends[name] = small.all_bars()
    assert len(ends["bulk"]) == len(SYMBOLS) * (len(PAST) + 3)
    assert ends["daily"] == ends["bulk"]
    assert ends["outage"] == ends["bulk"]
    assert ends["mixed"] == ends["bulk"]


@pytest.mark.parametrize(
    ("stamp", "rule"),
    [
        ("14/11/2023 06:00", "unreadable_received_at"),
        ("2023-11-13T15:59:00-05:00", "received_before_event"),
        ("2023-11-20T06:00:00-05:00", "received_in_future"),
    ],
)
def test_a_stamp_that_cannot_be_true_is_refused_and_never_guessed(
    open_small: Opener, stamp: str, rule: str
) -> None:
    small = open_small(stamped=True)
    small.load_past()
    small.drop_day(MON)
    assert small.ingest(MON) == 0
    small.drop("odd.csv", night(MON), bar("AAA", MON, 51, stamp))
    small.drop_day(TUE)
    answer = small.try_ingest(TUE)
    assert answer.exit_code == 0, answer.said
    assert [close for _, _, close in small.bars(MON)] == [50.0]
    small.drop_day(WED)
    assert small.ingest(WED) == 0
    assert small.refused() == [("AAA", rule)]


def test_a_stamp_without_a_zone_is_new_yorks(open_small: Opener) -> None:
    small = open_small(stamped=True)
    small.load_past()
    small.drop_day(MON)
    assert small.ingest(MON) == 0
    small.drop("naive.csv", night(MON, 6), bar("AAA", MON, 51, "2023-11-14 05:59:00"))
    small.drop_day(TUE)
    assert small.ingest(TUE) == 0
    assert small.bars(MON)[-1] == (exchange.in_new_york(TUE, 5, 59), "stamp", 51.0)


def test_a_late_bar_without_a_stamp_comes_and_is_known_when_it_was_seen(open_small: Opener) -> None:
    small = open_small()
    small.load_past()
    small.drop_day(MON, symbols=SYMBOLS[1:])
    assert small.ingest(MON) == 0
    small.drop("late.csv", night(MON), bar("AAA", MON, 51))
    small.drop_day(TUE)
    assert small.ingest(TUE) == 0
    assert small.bars(MON) == [(exchange.cut(TUE), "assumed", 51.0)]


def test_a_bar_that_is_corrected_back_ends_where_it_began(open_small: Opener) -> None:
    small = open_small()
    small.load_past()
    for day, close in ((MON, 50.0), (TUE, 51.0), (WED, 50.0)):
        small.drop_day(day)
        small.drop(f"correction-{day}.csv", exchange.in_new_york(day, 18), bar("AAA", MON, close))
        assert small.ingest(day) == 0
    assert [close for _, _, close in small.bars(MON)] == [50.0, 51.0, 50.0]
    assert [known for known, _, _ in small.bars(MON)][1:] == [exchange.cut(TUE), exchange.cut(WED)]


def test_texts_of_the_last_minutes_before_a_close_come_daily_as_in_bulk(open_small: Opener) -> None:
    ends = {}
    for name in ("daily", "bulk"):
        small = open_small(texts=True, name=name)
        small.load_past()
        for day in (MON, TUE, WED):
            small.drop_day(day)
            texts = [said("AAA", day, 15, 50, f"late {day}"), said("BBB", day, 11, 0, f"early {day}")]
            small.drop(f"wire-{day}.csv", exchange.in_new_york(day, 18), *texts, feed="wire")
            assert name == "bulk" or small.ingest(day) == 0
        if name == "bulk":
            assert small.home.load(MON, WED, exchange.cut(WED)).exit_code == 0
        ends[name] = set(
            small.home.show("silver.text").select("symbol", "session", "known_at", "text").rows()
        )
    assert len(ends["bulk"]) == 6
    assert ends["daily"] == ends["bulk"]


def test_a_run_made_again_lands_no_text_again(open_small: Opener) -> None:
    small = open_small(stamped=True, texts=True)
    small.load_past()
    small.drop_day(MON)
    small.drop("wire.csv", exchange.in_new_york(MON, 18), said("AAA", MON, 11, 0, "up"), feed="wire")
    assert small.ingest(MON) == 0
    landed = small.count("bronze.texts")
    assert small.ingest(MON, exchange.cut(MON) + 30 * MINUTE) == 0
    assert (landed, small.count("bronze.texts")) == (1, 1)


@pytest.mark.parametrize("there", [0, 1])
def test_a_trading_day_without_its_bars_is_asked_for_and_then_red(open_small: Opener, there: int) -> None:
    small = open_small()
    small.load_past()
    if there:
        small.drop_day(MON, symbols=SYMBOLS[:there])
    cut = exchange.cut(MON)
    assert [small.ingest(MON, cut + minute * MINUTE) for minute in (0, 5, 19, 20)] == [75, 75, 75, 65]
    polls = small.home.show("ops.polls").filter(pl.col("session") == str(MON))
    assert set(polls.select("complete", "needed").rows()) == {("false", "4")}
    assert small.home.show("ops.polls", "--session", str(MON)).equals(polls)
    small.drop("rest.csv", night(MON), *evening(MON, stamped=False, symbols=SYMBOLS[there:]))
    assert small.ingest(MON, night(MON, 9)) == 0
    assert small.bars(MON, "EEE") == [(night(MON, 9), "observed", 50.0)]


def test_a_session_that_stays_short_is_taken_as_it_is_by_a_persons_word(open_small: Opener) -> None:
    small = open_small()
    small.load_past()
    small.drop_day(MON, symbols=SYMBOLS[:2])
    late = exchange.cut(MON) + 30 * MINUTE
    assert small.ingest(MON, late) == 65
    words = ("accept-partial", "--session", str(MON), "--why", "three are halted")
    assert small.home.run(*words, clock=late).exit_code == 0
    assert small.ingest(MON, late + MINUTE) == 0


def test_unusable_texts_stop_no_bars_and_come_when_they_are_mended(open_small: Opener) -> None:
    small = open_small(texts=True)
    small.load_past()
    small.drop_day(MON)
    six = [said("AAA", MON, 10, minute, f"thing {minute}") for minute in range(6)]
    bad = [Text(one.symbol, "tomorrow or so", one.text) for one in six]
    small.drop("wire.csv", exchange.in_new_york(MON, 18), *bad, feed="wire")
    assert small.ingest(MON) == 0
    assert len(small.bars(MON)) == 1
    assert small.count("silver.text") == 0
    small.drop("wire.csv", night(MON), *six, feed="wire")
    small.drop_day(TUE)
    assert small.ingest(TUE) == 0
    known = {(row[0], row[1]) for row in small.home.show("silver.text").select("text", "known_by").rows()}
    assert known == {(one.text, "assumed") for one in six}


def test_a_wire_that_is_no_table_stops_no_bars(open_small: Opener) -> None:
    """Its first file of all cannot be read: an error of that feed, and of no other."""
    small = open_small(texts=True)
    small.load_past()
    small.drop_day(MON)
    (small.player.place("wire", "texts") / "wire.csv").write_text("503 Service Unavailable\n")
    answer = small.try_ingest(MON)
    assert answer.exit_code == 0, answer.said
    assert len(small.bars(MON)) == 1


def test_one_bad_record_beside_one_good_correction_keeps_nothing_back(open_small: Opener) -> None:
    small = open_small()
    small.load_past()
    small.drop_day(MON)
    assert small.ingest(MON) == 0
    small.drop("two.csv", night(MON), bar("AAA", MON, 51), bar("BBB", MON, -5))
    small.drop_day(TUE)
    assert small.ingest(TUE) == 0
    assert small.bars(MON)[-1] == (exchange.cut(TUE), "assumed", 51.0)
    assert [close for _, _, close in small.bars(MON, "BBB")] == [50.0]
    assert [symbol for symbol, _ in small.refused()] == ["BBB"]


def test_a_text_dated_far_ahead_is_in_quarantine(open_small: Opener) -> None:
    small = open_small(texts=True)
    small.load_past()
    for day in (MON, TUE):
        small.drop_day(day)
        texts = [said("AAA", day, 11, 0, f"up {day}"), Text("BBB", "2031-01-02T10:00:00+00:00", "soon")]
        small.drop(f"wire-{day}.csv", exchange.in_new_york(day, 18), *texts, feed="wire")
        assert small.ingest(day) == 0
    assert small.count("silver.text") == 2
    assert small.refused() == [("BBB", "event_in_future")]


def test_a_clock_that_steps_back_neither_repeats_nor_freezes(open_small: Opener) -> None:
    small = open_small(stamped=True)
    small.load_past()
    small.drop_day(MON)
    assert small.ingest(MON, exchange.cut(MON) + 60 * MINUTE) == 0
    small.drop_day(TUE)
    assert small.ingest(TUE) == 0
    small.drop("back.csv", night(TUE), bar("AAA", MON, 51, exchange.in_new_york(TUE, 21)))
    landed = small.count("bronze.bars")
    assert small.ingest(MON, exchange.cut(MON) + 30 * MINUTE) in {0, 75}
    small.drop_day(WED)
    assert small.ingest(WED) == 0
    assert small.count("bronze.bars") == landed + 1 + len(SYMBOLS)
    assert small.count("ops.deliveries") == len(("past", MON, TUE, "back", WED))
    assert len(small.bars(WED)) == 1
    assert small.ingest(WED, exchange.cut(WED) + MINUTE) == 0
    assert small.count("bronze.bars") == landed + 1 + len(SYMBOLS)


def test_a_change_feed_that_has_been_vacuumed_is_made_up_for(open_small: Opener) -> None:
    small = open_small()
    small.load_past()
    small.drop_day(MON)
    clock = exchange.cut(MON)
    assert small.home.run("ingest", "--as-of", str(MON), clock=clock).exit_code == 0
    # A second file of the same day's partition: of one alone nothing is joined, and nothing goes.
    small.drop("fix.csv", clock + 3 * MINUTE, bar("AAA", MON, 51))
    assert small.home.run("ingest", "--as-of", str(MON), clock=clock + 5 * MINUTE).exit_code == 0
    (log,) = (small.home.folder / "lake").glob("bronze*/bars/_delta_log")
    bronze = DeltaTable(log.parent)
    bronze.optimize.compact()
    gone = bronze.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert len(gone) == 2
    assert small.home.curate(MON, clock + 5 * MINUTE).exit_code == 0
    assert [close for _, _, close in small.bars(MON)] == [50.0, 51.0]


@pytest.mark.parametrize("stamped", [True, False])
def test_a_file_that_was_read_is_not_opened_again(open_small: Opener, stamped: bool) -> None:
    """Not even to see whether the feed has stamps."""
    small = open_small(stamped=stamped)
    small.load_past()
    past = small.player.place("files", "bars") / "past.csv"
    before = past.stat()
    past.write_bytes(b"\x00" * before.st_size)
    os.utime(past, ns=(before.st_atime_ns, before.st_mtime_ns))
    small.drop_day(MON)
    answer = small.try_ingest(MON)
    assert answer.exit_code == 0, answer.said
    assert len(small.all_bars()) == len(SYMBOLS) * (len(PAST) + 1)
    assert [how for _, how, _ in small.bars(MON)] == ["stamp" if stamped else "assumed"]
    assert small.home.show("ops.deliveries")["outcome"].to_list() == ["landed", "landed"]


@pytest.mark.parametrize("stamped", [True, False])
def test_a_second_try_after_one_that_had_committed_ends_well(
    open_small: Opener, monkeypatch: pytest.MonkeyPatch, stamped: bool
) -> None:
    small = open_small(stamped=stamped)
    small.load_past()
    small.drop_day(MON)
    strike_once(monkeypatch)
    assert small.ingest(MON) == 1
    assert [small.ingest(MON, exchange.cut(MON) + minute * MINUTE) for minute in (5, 10)] == [0, 0]
    assert len(small.bars(MON)) == 1
    assert small.count("bronze.bars") == len(SYMBOLS) * (len(PAST) + 1)


def test_a_holiday_has_nothing_to_do(open_small: Opener) -> None:
    small = open_small()
    small.load_past()
    assert small.ingest(PAST[-1] + DAY, exchange.cut(PAST[-1]) + DAY) == 99


def test_a_vendor_silent_for_days_leaves_every_gap_named(open_small: Opener) -> None:
    small = open_small()
    small.load_past()
    for day in (MON, TUE):
        assert small.ingest(day, exchange.cut(day) + 20 * MINUTE) == 65
    small.drop_day(WED)
    assert small.ingest(WED) == 0
    polls = small.home.show("ops.polls")
    asked = {row for row in polls.select("session", "complete").rows() if row[0] >= str(MON)}
    assert asked == {(str(MON), "false"), (str(TUE), "false"), (str(WED), "true")}
    small.drop("rest.csv", night(WED), *evening(MON, stamped=False), *evening(TUE, stamped=False))
    small.drop_day(THU)
    assert small.ingest(THU) == 0
    assert small.bars(MON) == [(exchange.cut(THU), "assumed", 50.0)]
    found = set(small.home.show("ops.polls").select("session", "complete").rows())
    assert {(str(MON), "true"), (str(TUE), "true")} <= found


def test_a_session_that_nobody_asked_for_is_looked_for_by_the_next_run(open_small: Opener) -> None:
    small = open_small()
    small.load_past()
    small.drop_day(TUE)
    assert small.ingest(TUE) == 0
    found = set(small.home.show("ops.polls").select("session", "complete").rows())
    assert {(str(MON), "false"), (str(TUE), "true")} <= found


def test_a_feed_that_had_nothing_yet_was_asked_all_the_same(open_small: Opener) -> None:
    """Its first file of all comes after the evening's look: known when it was seen, not as if in time."""
    small = open_small(texts=True)
    small.load_past()
    small.drop_day(MON)
    assert small.ingest(MON) == 0
    small.drop("wire.csv", night(MON), said("AAA", MON, 11, 0, "up"), feed="wire")
    small.drop_day(TUE)
    assert small.ingest(TUE) == 0
    (known,) = instants(small.home.show("silver.text"), "known_at")["known_at"].to_list()
    assert known == exchange.cut(TUE)


@pytest.mark.parametrize("minutes", [5, -60])
def test_what_was_published_at_a_cut_stays_as_it_was(open_small: Opener, minutes: int) -> None:
    """Even for a clock that has stepped back behind the cut."""
    small = open_small()
    small.load_past()
    small.drop_day(MON)
    cut = exchange.cut(MON)
    assert small.ingest(MON, cut) == 0
    chain = ("run", "--stages", "score_text,build_features,materialize", "--as-of", str(MON))
    published = small.home.run(*chain, clock=cut + MINUTE)
    assert published.exit_code == 0, published.said
    small.drop("fix.csv", cut + 3 * MINUTE, bar("AAA", MON, 51))
    assert small.ingest(MON, cut + minutes * MINUTE) == 0
    (first, _, _), (second, how, close) = small.bars(MON)
    assert (first, how, close) == (exchange.close(MON) + 30 * MINUTE, "observed", 51.0)
    assert second == cut + minutes * MINUTE if minutes > 0 else second > cut


def test_a_bar_is_never_known_before_its_own_stamp(open_small: Opener) -> None:
    """Not even where a later try lands what an earlier one had read past."""
    small = open_small(stamped=True)
    small.load_past()
    cut = exchange.cut(MON)
    assert small.ingest(MON, cut) == 75
    for minute, symbol in ((4, "AAA"), (9, "BBB")):
        stamped = bar(symbol, MON, 50, cut + timedelta(minutes=4, seconds=minute))
        small.drop(f"{symbol}.csv", cut + minute * MINUTE, stamped)
        assert small.ingest(MON, cut + (minute + 1) * MINUTE) == 75
    assert small.bars(MON, "BBB") == []  # curate waits for a session that is complete
    small.drop_day(MON, symbols=SYMBOLS[2:])
    assert small.ingest(MON, cut + 15 * MINUTE) == 0
    ((known, _, _),) = small.bars(MON, "BBB")
    assert known >= cut + timedelta(minutes=4, seconds=9)
