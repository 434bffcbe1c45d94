"""A world by its seed: a window of the calendar, a vendor, some scenes, and our own runs."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from tests.world import calendar as exchange
from tests.world.market import Market
from tests.world.records import Bar, Delivery, FeedRules, Text
from tests.world.scenes import DAY, SCENES, Evening, Scene, Script, text_of
from tests.world.vendor import Visit, World

WINDOWS = tuple(
    date.fromisoformat(day)
    for day in (
        "2023-03-08", "2023-06-28", "2023-08-14", "2023-11-01",
        "2023-11-20", "2023-12-20", "2024-01-10", "2024-03-25",
    )
)  # fmt: skip
"""First live sessions: both changes of the clock, half-days, holidays, long weekends, and a plain week."""
SECOND = timedelta(seconds=1)
TRIES = (0, 5, 10, 15, 20)


@dataclass(frozen=True)
class Shape:
    """How large a world is and where it lies.

    Attributes
    ----------
    start : date
        First live session.
    past, live : int
        Sessions of the first load and of the daily runs.
    symbols : int
    market : int
        Seed of the prices.
    stamped : bool
        Whether the primary bars have stamps.
    republished : bool
        Whether the stamps of the first load are of the day on which the vendor published it again.
    """

    start: date
    past: int
    live: int
    symbols: int
    market: int
    stamped: bool
    republished: bool = False


def small_shape(seed: int) -> Shape:
    """Draw a small world."""
    draw = random.Random(f"shape {seed}")
    return Shape(
        start=draw.choice(WINDOWS),
        past=draw.randint(6, 8),
        live=draw.randint(5, 7),
        symbols=30 if seed % 50 == 49 else draw.randint(4, 8),
        market=seed,
        stamped=seed % 2 == 0,
        republished=seed % 2 == 0 and draw.random() < 0.25,
    )


def chain_shape(seed: int) -> Shape:
    """Return the shape of a world up to forecasts; all of one kind share their history and its champion."""
    stamped = seed % 2 == 0
    start = date(2023, 11, 1) if stamped else date(2023, 11, 21)
    return Shape(start=start, past=100, live=4, symbols=6, market=7, stamped=stamped)


def build(seed: int, shape: Shape, scenes: Iterable[Scene] | None = None) -> World:
    """Write a world: what the vendors deliver, and when we look."""
    script = set_stage(seed, shape)
    chosen = list(scenes) if scenes is not None else script.draw.sample(SCENES, script.draw.randint(2, 5))
    for scene in chosen:
        scene(script)
    stamps_from = script.live[0] if shape.republished else None
    feeds = [FeedRules("files", "bars", script.stamped, stamps_from=stamps_from)]
    deliveries = [first_load(script, stamps_from), *bars_of(script, layout=script.draw.choice(LAYOUTS))]
    if script.beside:
        feeds.append(FeedRules("beside", "bars", script.draw.random() < 0.5, primary=False))
        deliveries += beside_of(script, feeds[-1])
    if script.texts_fail_on or script.draw.random() < 0.3:
        feeds.append(FeedRules("wire", "texts", script.draw.random() < 0.5))
        deliveries += texts_of(script, feeds[-1])
    names = tuple(scene.__name__ for scene in chosen)
    return World(seed, tuple(feeds), tuple(deliveries), tuple(visits_of(script)), names)


def set_stage(seed: int, shape: Shape) -> Script:
    """Return ordinary weeks: each session's evening brings every symbol."""
    draw = random.Random(f"world {seed}")
    market = Market(shape.market, shape.symbols)
    past = [exchange.shift(shape.start, -step) for step in range(shape.past, 0, -1)]
    live = [exchange.shift(shape.start, step) for step in range(shape.live)]
    for session in [*past, *live]:
        for symbol in [*market.symbols, "NEW"]:
            market.bar(symbol, session)
    evenings = {
        session: Evening(
            at=exchange.in_new_york(session, draw.randint(17, 21), draw.randrange(50)),
            symbols=list(market.symbols),
        )
        for session in live
    }
    return Script(draw, market, shape.stamped, past, live, evenings)


def first_load(script: Script, stamps_from: date | None) -> Delivery:
    """Return the file of the first load."""
    at = exchange.cut(script.past[-1]) - timedelta(hours=2)
    bars = []
    for session in script.past:
        stamp = at - timedelta(minutes=1) if stamps_from else exchange.in_new_york(session, 17, 10)
        for symbol in script.market.symbols:
            bar = script.market.bar(symbol, session)
            bars.append(replace(bar, received_at=stamp.isoformat()) if script.stamped else bar)
    return Delivery("files", "bars", "history.csv", at, at, tuple(bars), stamped=script.stamped)


LAYOUTS = ("a file a day", "all in a new file", "all in one file")


def bars_of(script: Script, layout: str) -> list[Delivery]:
    """Return the primary vendor's files, in the order of their writing."""
    coming: list[tuple[datetime, int, date | tuple[Bar, ...]]] = []
    for session, evening in script.evenings.items():
        if not evening.silent:
            coming.append((evening.at, len(coming), session))
    for extra in script.extras:
        coming.append((extra.at, len(coming), extra.records))
    if script.backfill:
        coming.append((backfill_at(script), len(coming), backfilled(script)))
    current: dict[tuple[str, date], Bar] = {}
    deliveries: list[Delivery] = []
    last = datetime.min.replace(tzinfo=exchange.NEW_YORK)
    for wished, number, what in sorted(coming, key=lambda one: one[:2]):
        at = last = max(wished, last + SECOND)
        ahead = timedelta()
        if isinstance(what, tuple):
            records = [stamped(bar, at, script) for bar in what]
            name = f"extra-{number}.csv"
        else:
            evening = script.evenings[what]
            ahead = evening.ahead
            stamp = evening.stamped_at or at + ahead
            records = [stamped(script.market.bar(one, what), stamp, script) for one in evening.symbols]
            if script.changes_daily and current:
                old = script.draw.choice(sorted(current))
                changed = script.misprint(old[1], old[0], script.draw.randint(2, 9))
                records.append(stamped(changed, at, script))
            name = f"bars-{what}.csv"
        current |= {bar.key: bar for bar in records}
        if not isinstance(what, tuple) and layout != LAYOUTS[0]:
            records = [current[key] for key in sorted(current)]
            name = name if layout == LAYOUTS[1] else "bars.csv"
        deliveries.append(
            Delivery("files", "bars", name, at, at + ahead, tuple(records), stamped=script.stamped)
        )
    return deliveries


def stamped(bar: Bar, at: datetime, script: Script) -> Bar:
    """Give a bar the stamp of its writing, where the feed has stamps and the bar has none yet."""
    if not script.stamped or bar.received_at is not None:
        return bar
    return replace(bar, received_at=(at - 20 * SECOND).isoformat())


def backfill_at(script: Script) -> datetime:
    """Return when the earlier sessions' file comes: at noon after the third live session."""
    return exchange.in_new_york(script.live[2] + DAY, 12)


def backfilled(script: Script) -> tuple[Bar, ...]:
    """Return the bars of the earlier sessions, with true stamps."""
    bars = []
    for session in script.backfill:
        stamp = exchange.in_new_york(session, 18).isoformat()
        for symbol in script.market.symbols:
            bar = script.market.bar(symbol, session)
            bars.append(replace(bar, received_at=stamp) if script.stamped else bar)
    return tuple(bars)


def beside_of(script: Script, rules: FeedRules) -> list[Delivery]:
    """Return a second vendor's files: an hour after the cut, a little other; one is there at first."""
    deliveries = []
    for session in [script.past[-2], *script.live[:-1]]:
        at = exchange.cut(session) + timedelta(hours=1, minutes=10)
        bars = [script.misprint(session, symbol, 1) for symbol in script.market.symbols[:3]]
        if rules.stamped:
            bars = [replace(bar, received_at=(at - 20 * SECOND).isoformat()) for bar in bars]
        name = f"second-{session}.csv"
        deliveries.append(Delivery("beside", "bars", name, at, at, tuple(bars), stamped=rules.stamped))
    return deliveries


def texts_of(script: Script, rules: FeedRules) -> list[Delivery]:
    """Return the wire's files; on the day on which it fails most texts are dated far ahead."""
    deliveries = []

    def deliver(session: date, at: datetime, texts: Iterable[Text]) -> None:
        stamp = (at - 20 * SECOND).isoformat() if rules.stamped else None
        records = tuple(replace(text, received_at=stamp) for text in texts)
        name = f"wire-{session}.csv"
        deliveries.append(Delivery("wire", "texts", name, at, at, records, stamped=rules.stamped))

    for place, session in enumerate(script.live):
        at = exchange.in_new_york(session, 18, 30)
        good = [text_of(symbol, session, number) for number, symbol in enumerate(script.market.symbols[:3])]
        if place and script.draw.random() < 0.4:
            good.append(text_of(script.market.symbols[0], script.live[place - 1], 9))
        if session == script.texts_fail_on:
            later = [text_of(script.market.symbols[0], session, number) for number in range(10, 16)]
            ahead = [
                replace(one, published_at=f"2099-01-{n:02}T10:00:00+00:00") for n, one in enumerate(later, 2)
            ]
            deliver(session, at, [*good, *ahead])
            at = exchange.in_new_york(session + DAY, 9, 15)
        deliver(session, at, good)
    return deliveries


def visits_of(script: Script) -> list[Visit]:
    """Return our runs: the first load, each evening at the cut, a morning where a red run is cleared."""
    end = script.past[-1]
    after = timedelta(minutes=script.draw.choice((0, 3, 45)))
    visits = [Visit(exchange.cut(end) + after, script.past[0], end, history=True)]
    clears = script.draw.random() < 0.6
    delay = timedelta(minutes=script.draw.choice((0, 0, 0, 2, 25)))
    day = end + DAY
    while day <= script.live[-1]:
        evening = exchange.in_new_york(day, 22) + delay
        if day not in script.missed or day == script.live[-1]:
            if exchange.is_session(day):
                visits.append(Visit(evening, day, day, tries=TRIES, struck=day in script.struck))
                morning = exchange.in_new_york(day + DAY, 13)
                if clears and day != script.live[-1]:
                    visits.append(Visit(morning, day, day, only_if_red=True))
            elif script.draw.random() < 0.5:
                visits.append(Visit(evening, day, day))
        day += DAY
    if script.backfill:
        at = backfill_at(script) + timedelta(minutes=30)
        visits.append(Visit(at, script.backfill[0], script.backfill[-1], history=True))
    return sorted(visits, key=lambda one: one.clock)
