"""The reference on timelines worked by hand: without the project, against instants written out here."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tests.world import calendar as exchange
from tests.world.records import Bar, Delivery, FeedRules, Poll, Refusal
from tests.world.reference import Reference

MON, TUE, WED, THU, FRI = (date(2023, 11, day) for day in (13, 14, 15, 16, 17))
STAMPED = FeedRules(name="files", kind="bars", stamped=True)
PLAIN = FeedRules(name="files", kind="bars", stamped=False)


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2023 in UTC; New York is five hours behind."""
    return datetime(2023, 11, day, hour, minute, tzinfo=UTC)


def bar(symbol: str, session: date, close: str, stamp: datetime | str | None = None) -> Bar:
    written = stamp.isoformat() if isinstance(stamp, datetime) else stamp
    return Bar(symbol, session, (close, close, close, close, "100"), written)


def file(name: str, written_at: datetime, *records: Bar) -> Delivery:
    return Delivery("files", "bars", name, written_at, written_at, records)


def day(session: date, clock: datetime | None = None, *, struck: bool = False) -> Poll:
    return Poll(clock=clock or exchange.cut(session), first=session, last=session, struck=struck)


def told(reference: Reference, symbol: str) -> list[tuple[date, datetime, str, str]]:
    """What is known of one symbol: session, instant, how, and the close."""
    return sorted(
        (one.session, one.known_at, one.known_by, one.values[3])
        for one in reference.versions()
        if one.symbol == symbol
    )


def test_the_exchange_keeps_its_hours() -> None:
    assert exchange.cut(date(2023, 11, 3)) == datetime(2023, 11, 4, 2, tzinfo=UTC)  # summer time
    assert exchange.cut(MON) == utc(14, 3)
    assert exchange.cut(date(2023, 11, 24)) == utc(25, 3)  # a half-day has its evening like any other
    assert exchange.close(date(2023, 11, 24)) == utc(24, 18)
    assert not exchange.is_session(date(2023, 11, 23))
    assert exchange.decision(FRI) == utc(20, 13, 30)
    assert exchange.session_of_last_cut(utc(14, 2, 59)) == date(2023, 11, 10)
    assert exchange.session_of_text(utc(13, 20, 46)) == TUE


def test_a_feed_without_stamps_is_known_when_it_was_seen_unless_it_was_first() -> None:
    reference = Reference(
        [PLAIN],
        [
            file("mon.csv", utc(13, 22), bar("A", MON, "10"), bar("B", MON, "20")),
            file("tue.csv", utc(14, 22), bar("A", TUE, "11")),
            file("late.csv", utc(15, 14), bar("B", TUE, "21")),
            file("wrong.csv", utc(15, 15), bar("A", MON, "12")),
            file("wed.csv", utc(15, 22), bar("A", WED, "13"), bar("B", WED, "22")),
            file("back.csv", utc(16, 15), bar("A", MON, "10")),
            file("again.csv", utc(16, 16), bar("B", WED, "22")),
            file("thu.csv", utc(16, 22), bar("A", THU, "14"), bar("B", THU, "23")),
        ],
    )
    assert [reference.ingest(day(session)) for session in (MON, TUE, WED)] == [0, 0, 0]
    assert reference.ingest(day(THU, utc(17, 4))) == 0
    assert told(reference, "A") == [
        (MON, utc(13, 21, 30), "assumed", "10"),
        (MON, utc(16, 3), "assumed", "12"),
        (MON, utc(17, 4), "observed", "10"),
        (TUE, utc(14, 21, 30), "assumed", "11"),
        (WED, utc(15, 21, 30), "assumed", "13"),
        (THU, utc(16, 21, 30), "assumed", "14"),
    ]
    assert told(reference, "B") == [
        (MON, utc(13, 21, 30), "assumed", "20"),
        (TUE, utc(16, 3), "assumed", "21"),
        (WED, utc(15, 21, 30), "assumed", "22"),
        (THU, utc(16, 21, 30), "assumed", "23"),
    ]


def test_a_stamp_is_believed_where_nobody_had_looked() -> None:
    reference = Reference(
        [STAMPED],
        [
            file("mon.csv", utc(13, 22), bar("A", MON, "10", utc(13, 21, 50))),
            file("mon-b.csv", utc(13, 22), bar("B", MON, "20", utc(13, 22))),
            file("night.csv", utc(14, 6), bar("A", MON, "11", utc(14, 5, 59))),
            file("stuck.csv", utc(14, 7), bar("B", MON, "21", utc(14, 2))),
            file("odd.csv", utc(14, 8), bar("A", MON, "12", "13/11/2023 23:30")),
            file("early.csv", utc(14, 8, 1), bar("A", MON, "12", "2023-11-13 15:59:00")),
            file("ahead.csv", utc(14, 8, 2), bar("A", MON, "12", utc(15, 12))),
            file("tue.csv", utc(14, 22), bar("A", TUE, "13", "2023-11-14 16:50:00")),
            file("wed.csv", utc(15, 22), bar("A", WED, "14", utc(15, 22)), bar("B", TUE, "22", utc(14, 22))),
        ],
    )  # fmt: skip
    assert reference.ingest(day(MON)) == 0
    assert reference.ingest(day(TUE, struck=True)) == 1
    assert reference.ingest(day(WED, utc(16, 3, 10))) == 0
    assert told(reference, "A") == [
        (MON, utc(13, 21, 50), "stamp", "10"),
        (MON, utc(14, 5, 59), "stamp", "11"),
        (TUE, utc(14, 21, 50), "stamp", "13"),
        (WED, utc(15, 22), "stamp", "14"),
    ]
    assert told(reference, "B") == [
        (MON, utc(13, 22), "stamp", "20"),
        (MON, utc(15, 3), "assumed", "21"),
        (TUE, utc(14, 22), "stamp", "22"),
    ]
    assert reference.refusals() == {
        Refusal("files", "bars", "A", "unreadable_received_at", "13/11/2023 23:30"),
        Refusal("files", "bars", "A", "received_before_event", "2023-11-13 15:59:00"),
        Refusal("files", "bars", "A", "received_in_future", "2023-11-15T12:00:00+00:00"),
    }


@pytest.mark.parametrize("closed", [False, True])
def test_a_silent_day_is_asked_for_until_a_person_must_look(closed: bool) -> None:
    symbols = ("A", "B", "C", "D", "E")
    week = exchange.sessions(date(2023, 11, 6), MON)
    history = [bar(symbol, session, "10") for session in week for symbol in symbols]
    reference = Reference(
        [PLAIN],
        [
            file("history.csv", utc(13, 22), *history),
            file("some.csv", utc(14, 22), *(bar(symbol, TUE, "11") for symbol in "ABC")),
            file("rest.csv", utc(15, 3, 12), bar("D", TUE, "11")),
            file("last.csv", utc(15, 3, 13), bar("E", TUE, "11")),
        ],
    )
    assert reference.ingest(Poll(clock=exchange.cut(MON), first=week[0], last=MON, history=True)) == 0
    assert reference.needed(TUE) == 4
    assert [reference.ingest(day(TUE, utc(15, 3, minute))) for minute in (0, 5, 10)] == [75, 75, 75]
    if closed:
        reference.close(TUE)
    assert reference.ingest(day(TUE, utc(15, 3, 15))) == 0
    assert told(reference, "A")[-1] == (TUE, utc(14, 21, 30), "assumed", "11")
    late = (TUE, utc(15, 3, 15), "observed", "11") if closed else (TUE, utc(15, 3), "assumed", "11")
    assert [told(reference, symbol)[-1] for symbol in "DE"] == [late, late]
    assert reference.known_at_cut(TUE) == (set("ABC") if closed else set("ABCDE"))
    assert [reference.ingest(day(WED, utc(16, 3, minute))) for minute in (0, 20)] == [75, 65]
    assert reference.ingest(day(date(2023, 11, 18), utc(19, 3))) == 99
