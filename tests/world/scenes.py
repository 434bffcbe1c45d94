"""What goes wrong in a vendor's weeks: a scene changes the ordinary evenings, or adds a file of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from tests.world import calendar as exchange
from tests.world.market import Market
from tests.world.records import Bar, Text

DAY = timedelta(days=1)
Scene = Callable[["Script"], None]


@dataclass
class Evening:
    """The ordinary delivery of a session: when it is written, of what, and what its stamps say."""

    at: datetime
    symbols: list[str]
    stamped_at: datetime | None = None
    silent: bool = False
    ahead: timedelta = timedelta()


@dataclass(frozen=True)
class Extra:
    """A delivery beside the ordinary ones; records without a stamp get that of its writing."""

    at: datetime
    records: tuple[Bar, ...]


@dataclass
class Script:
    """A world that is being written.

    Attributes
    ----------
    draw : random.Random
    market : Market
    stamped : bool
    past : list of date
        Sessions of the first load.
    live : list of date
        Sessions of the daily runs.
    evenings : dict
        What each live session's evening brings.
    extras : list
        Files beside them.
    missed : set of date
        Days on which our own scheduler was down.
    struck : set of date
        Days whose run dies once.
    backfill : list of date
        Sessions before the first load, loaded in the middle of the live weeks.
    changes_daily : bool
        Whether each full redelivery changes one old bar.
    """

    draw: random.Random
    market: Market
    stamped: bool
    past: list[date]
    live: list[date]
    evenings: dict[date, Evening]
    extras: list[Extra] = field(default_factory=list)
    missed: set[date] = field(default_factory=set)
    struck: set[date] = field(default_factory=set)
    backfill: list[date] = field(default_factory=list)
    changes_daily: bool = False
    texts_fail_on: date | None = None
    beside: bool = False

    def some_session(self) -> date:
        """Draw a live session that is not the last."""
        return self.draw.choice(self.live[:-1])

    def some_symbol(self, session: date) -> str:
        """Draw a symbol that the session's evening brings."""
        return self.draw.choice(self.evenings[session].symbols or self.market.symbols)

    def add(self, at: datetime, records: Iterable[Bar]) -> None:
        """Add a file beside the ordinary ones."""
        self.extras.append(Extra(at, tuple(records)))

    def morning(self, session: date, first: int = 2, last: int = 11) -> datetime:
        """Draw an hour of the morning after a session."""
        return exchange.in_new_york(session + DAY, self.draw.randint(first, last), self.draw.randrange(60))

    def misprint(self, session: date, symbol: str, cents: int = 3) -> Bar:
        """Return a bar of a symbol that is not quite the truth."""
        return self.market.misprint(self.market.bar(symbol, session), 1 + cents / 1000)


def late_file(script: Script) -> None:
    """An evening's file comes in the morning; its stamps are true, or of the evening if it was stuck."""
    evening = script.evenings[session := script.some_session()]
    stuck = evening.at
    evening.at = script.morning(session)
    evening.stamped_at = stuck if script.draw.random() < 0.5 else None


def late_symbol(script: Script) -> None:
    """One symbol of an evening comes hours or days later."""
    session = script.some_session()
    symbol = script.some_symbol(session)
    evening = script.evenings[session]
    if len(evening.symbols) > 1:
        evening.symbols = [one for one in evening.symbols if one != symbol]
        at = exchange.cut(session) + timedelta(hours=script.draw.randint(1, 40), minutes=7)
        script.add(at, [script.market.bar(symbol, session)])


def sent_twice(script: Script) -> None:
    """An evening's file comes a second time under another name."""
    session = script.some_session()
    evening = script.evenings[session]
    stamp = (evening.at - timedelta(seconds=20)).isoformat() if script.stamped else None
    bars = [replace(script.market.bar(symbol, session), received_at=stamp) for symbol in evening.symbols]
    script.add(evening.at + timedelta(hours=script.draw.randint(1, 30)), bars)


def restated(script: Script) -> None:
    """A bar of some sessions ago gets other values."""
    session = script.some_session()
    old = script.draw.choice([*script.past, session])
    script.add(script.morning(session), [script.misprint(old, script.some_symbol(session))])


def corrected_back(script: Script) -> None:
    """A bar is restated, and a day or two later restated back."""
    session = script.some_session()
    symbol = script.some_symbol(session)
    at = script.morning(session)
    script.add(at, [script.misprint(session, symbol, 4)])
    back = at + timedelta(days=script.draw.randint(0, 2), hours=1)
    script.add(back, [script.market.bar(symbol, session)])


def empty_file(script: Script) -> None:
    """A file holds its header alone."""
    script.add(script.evenings[script.some_session()].at - timedelta(minutes=5), [])


def partial_day(script: Script) -> None:
    """An evening brings one or two symbols; the rest comes in the morning, or never."""
    session = script.some_session()
    evening = script.evenings[session]
    kept = script.draw.randint(1, 2)
    rest, evening.symbols = evening.symbols[kept:], evening.symbols[:kept]
    if script.draw.random() < 0.7:
        script.add(script.morning(session), [script.market.bar(symbol, session) for symbol in rest])


def silent_day(script: Script) -> None:
    """An evening brings nothing; all of it comes in the morning, or never."""
    session = script.some_session()
    evening = script.evenings[session]
    evening.silent = True
    if script.draw.random() < 0.7:
        script.add(script.morning(session), [script.market.bar(one, session) for one in evening.symbols])


def retry_finds(script: Script) -> None:
    """The evening's file comes between two tries."""
    session = script.some_session()
    evening = script.evenings[session]
    evening.at = exchange.cut(session) + timedelta(minutes=script.draw.randint(1, 14), seconds=30)
    evening.stamped_at = exchange.cut(session) - timedelta(minutes=30)


def wrong_stamp(script: Script) -> None:
    """A correction's stamp cannot be read, lies before the close or in the future, or names no zone."""
    session = script.some_session()
    at = script.morning(session)
    local = at.astimezone(exchange.NEW_YORK).replace(tzinfo=None)
    stamps = [
        f"{local:%d/%m/%Y %H:%M}",
        (exchange.close(session) - timedelta(hours=1)).isoformat(),
        (at + timedelta(days=4)).isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S}",
        f"{local:%Y-%m-%dT%H:%M:%S}",
    ]
    wrong = script.misprint(session, script.some_symbol(session), 5)
    script.add(at, [replace(wrong, received_at=script.draw.choice(stamps))] if script.stamped else [wrong])


def weekend(script: Script) -> None:
    """A correction comes on a Saturday, another on the Sunday."""
    fridays = [one for one in script.live[:-1] if exchange.shift(one, 1) - one > 2 * DAY]
    for session in fridays[:1]:
        first, second = (script.draw.choice(script.evenings[session].symbols) for _ in range(2))
        script.add(exchange.in_new_york(session + DAY, 11), [script.misprint(session, first, 6)])
        script.add(exchange.in_new_york(session + 2 * DAY, 15), [script.misprint(session, second, 7)])


def clock_skew(script: Script) -> None:
    """The vendor's clock runs ahead by a minute, once across the cut."""
    session = script.some_session()
    evening = script.evenings[session]
    if script.draw.random() < 0.4:
        evening.at = exchange.cut(session) - timedelta(seconds=50)
    evening.ahead = timedelta(seconds=script.draw.randint(60, 100))


def published_again(script: Script) -> None:
    """The vendor publishes all its bars of late again, under the stamp of the day."""
    session = script.some_session()
    bars = [script.market.bar(symbol, old) for old in script.past for symbol in script.market.symbols]
    script.add(script.morning(session), bars)


def listing(script: Script) -> None:
    """A symbol is listed; with its first bar come those of some sessions before."""
    start = script.draw.choice(script.live[:-1])
    symbol = "NEW"
    before = [*script.past, *script.live][: (script.past + script.live).index(start)][-3:]
    bars = [script.market.bar(symbol, one) for one in before]
    for session in script.live[script.live.index(start) :]:
        script.evenings[session].symbols = [*script.evenings[session].symbols, symbol]
    if script.draw.random() < 0.6:
        script.add(script.evenings[start].at + timedelta(minutes=3), bars)


def relisting(script: Script) -> None:
    """A symbol goes, and comes back some sessions later."""
    symbol = script.market.symbols[-1]
    for session in script.live[1:4]:
        kept = [one for one in script.evenings[session].symbols if one != symbol]
        script.evenings[session].symbols = kept or script.evenings[session].symbols


def outage(script: Script) -> None:
    """Our own scheduler is down for longer than the overlap."""
    start = script.draw.choice(script.live[:2])
    script.missed.update(start + DAY * step for step in range(script.draw.randint(1, 6)))


def silent_week(script: Script) -> None:
    """The vendor says nothing for six sessions, then all or half of it."""
    silent = script.live[1:7]
    for session in silent:
        script.evenings[session].silent = True
    if script.draw.random() < 0.7:
        bars = [script.market.bar(one, session) for session in silent for one in script.market.symbols]
        script.add(script.morning(silent[-1]), bars)
    script.missed.update(silent[2:-1])


def old_bar_daily(script: Script) -> None:
    """Everything is delivered every day, with one old bar changed."""
    script.changes_daily = True


def feeds_beside(script: Script) -> None:
    """A second vendor delivers the same symbols at hours of its own."""
    script.beside = True


def backfill(script: Script) -> None:
    """Earlier sessions are loaded when later ones are there already."""
    first = exchange.shift(script.past[0], -260)
    script.backfill = [exchange.shift(first, step) for step in range(4)]


def texts_fail(script: Script) -> None:
    """The texts, which nobody must have, are unusable on a day and mended the next."""
    script.texts_fail_on = script.some_session()


def struck(script: Script) -> None:
    """A run of ours dies between its data and its closing row."""
    script.struck.add(script.some_session())


SCENES: tuple[Scene, ...] = (
    late_file, late_symbol, sent_twice, restated, corrected_back, empty_file, partial_day, silent_day,
    retry_finds, wrong_stamp, weekend, clock_skew, published_again, listing, relisting, outage, silent_week,
    old_bar_daily, feeds_beside, backfill, texts_fail, struck,
)  # fmt: skip


def text_of(symbol: str, session: date, number: int) -> Text:
    """Return a headline of a session's forenoon."""
    published = exchange.in_new_york(session, 10, 3 * number)
    return Text(symbol, published.isoformat(), f"{symbol} said thing {number} of {session}")
