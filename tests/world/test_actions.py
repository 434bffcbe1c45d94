"""Splits and dividends from a vendor's own files: what stands in bronze, and since when it was known."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from tests.world import calendar as exchange
from tests.world.conftest import MON, PAST, THU, TUE, WED, SmallHome
from tests.world.play import instants

pytestmark = pytest.mark.world
Opener = Callable[..., SmallHome]
MINUTE = timedelta(minutes=1)
HEADER = "symbol,ex_date,kind,value"


def open_announcing(open_small: Opener, **how: bool) -> SmallHome:
    """A home that is told where the vendor leaves its actions."""
    small = open_small(**how)
    place = small.player.place("files", "actions")
    place.mkdir(parents=True)
    small.home = replace(small.home, options=(*small.home.options, "--actions", str(place)))
    return small


def announce(small: SmallHome, at: datetime, *lines: str, header: str = HEADER) -> None:
    """Let the vendor write a file of actions at an instant."""
    target = small.player.place("files", "actions") / f"{at:%Y%m%dT%H%M%S}.csv"
    target.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    os.utime(target, (at.timestamp(), at.timestamp()))


def told(small: SmallHome) -> list[tuple[object, ...]]:
    """Symbol, kind, value, when it was known and by what, in the order in which it was."""
    rows = instants(small.home.show("bronze.actions"), "known_at").sort("known_at", "symbol")
    return rows.select("symbol", "kind", "value", "known_at", "known_by").rows()


def evening(small: SmallHome, day: date) -> datetime:
    """Let a session's bars come and be read at its cut, which is returned."""
    small.drop_day(day)
    assert small.ingest(day) == 0
    return exchange.cut(day)


def lag_after_close(session: date) -> datetime:
    """Half an hour after four in New York."""
    return exchange.in_new_york(session, 16, 30)


def test_a_split_is_announced_the_evening_before_then_changed_then_withdrawn(open_small: Opener) -> None:
    small = open_announcing(open_small)
    small.load_past()
    for day, line in (
        (MON, f"AAA,{WED},split,2"),
        (TUE, f"AAA,{WED},split,3:1"),
        (WED, f"AAA,{WED},split,1"),
    ):
        announce(small, exchange.in_new_york(day, 18), line)
        evening(small, day)
    assert told(small) == [
        ("AAA", "split", "2", exchange.cut(MON), "assumed"),
        ("AAA", "split", "3:1", exchange.cut(TUE), "assumed"),
        ("AAA", "split", "1", exchange.cut(WED), "assumed"),
    ]
    announce(small, exchange.in_new_york(THU, 18), f"AAA,{WED},split,1")
    evening(small, THU)
    assert len(told(small)) == 3


def test_an_action_that_comes_late_is_known_when_it_was_seen(open_small: Opener) -> None:
    small = open_announcing(open_small)
    small.load_past()
    announce(small, exchange.in_new_york(MON, 18), f"AAA,{MON},dividend,0.5")
    evening(small, MON)
    announce(small, exchange.in_new_york(TUE, 18), f"BBB,{MON},dividend,0.25")
    small.drop_day(TUE)
    seen = exchange.cut(TUE) + 45 * MINUTE
    assert small.ingest(TUE, seen) == 0
    assert told(small) == [
        ("AAA", "dividend", "0.5", lag_after_close(MON), "assumed"),
        ("BBB", "dividend", "0.25", seen, "observed"),
    ]


def test_a_history_knows_past_actions_by_their_sessions_and_coming_ones_by_its_clock(
    open_small: Opener,
) -> None:
    small = open_announcing(open_small)
    saturday = PAST[1] - timedelta(days=2)
    # A split of six for five: a larger one would be held against prices that know nothing of it.
    lines = f"AAA,{saturday},split,6/5", f"BBB,{PAST[2]},Dividend,0.5", f"CCC,{THU},split,4"
    announce(small, exchange.in_new_york(PAST[-1], 17), *lines)
    small.load_past()
    assert told(small) == [
        ("AAA", "split", "6/5", lag_after_close(PAST[1]), "assumed"),
        ("BBB", "Dividend", "0.5", lag_after_close(PAST[2]), "assumed"),
        ("CCC", "split", "4", exchange.cut(PAST[-1]), "assumed"),
    ]


def test_a_stamp_before_the_ex_date_counts(open_small: Opener) -> None:
    small = open_announcing(open_small, stamped=True)
    small.load_past()
    stamp = exchange.in_new_york(MON, 9)
    line = f"AAA,{THU},dividend,0.5,{stamp.isoformat()}"
    announce(small, exchange.in_new_york(MON, 17), line, header=f"{HEADER},received_at")
    evening(small, MON)
    assert told(small) == [("AAA", "dividend", "0.5", stamp, "stamp")]
    assert small.refused() == []


def test_an_unusable_announcement_is_in_quarantine_and_stops_no_bar(open_small: Opener) -> None:
    small = open_announcing(open_small)
    small.load_past()
    announce(small, exchange.in_new_york(MON, 18), f"AAA,{WED},merger,1", f"BBB,{WED},split,0")
    evening(small, MON)
    assert small.refused() == [("AAA", "unreadable_kind"), ("BBB", "non_positive_split")]
    assert len(small.bars(MON)) == 1
