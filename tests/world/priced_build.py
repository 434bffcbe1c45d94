"""A world of prices by its seed: a vendor's habits, and what happens to each share while it is watched."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

from tests.world import calendar as exchange
from tests.world.priced_market import PricedMarket
from tests.world.priced_records import (
    NEUTRAL,
    Announcement,
    Basis,
    Channel,
    Corporate,
    Fault,
    Gap,
    Key,
    Kind,
    Layout,
    Rename,
    Tick,
)
from tests.world.priced_vendor import PricedWorld

STARTS = tuple(date(2023, month, day) for month, day in ((3, 9), (6, 27), (8, 15), (10, 31), (12, 19)))
RATIOS = (2.0, 2.0, 2.0, 3.0, 1.5, 7.0, 4.0, 2.5, 0.1, 0.5, 20.0)
FAULTS: tuple[Fault, ...] = ("missing", "missing", "high below low", "negative close")
SPACING = 5
"""Sessions between two stories of a share, so that no rule has to tell one from the other."""
OVERLAP = 3
TICK_AT_SPLIT = 0.15
FIRST_QUIET, LAST_QUIET = 6, 5
"""Sessions at both ends of the first load in which nothing happens: a load is a story of its own."""

VENDORS: tuple[tuple[Basis, Layout, Channel], ...] = (
    ("raw", "a file a day", "column"),
    ("raw", "a file a day", "feed"),
    ("raw", "all in one file", "column"),
    ("raw", "all in a new file", "feed"),
    ("split", "all in a new file", "none"),
    ("split", "all in one file", "none"),
    ("split", "the last sessions", "none"),
    ("split", "a file a day", "none"),
    ("split", "all in a new file", "column"),
    ("split", "a file a day", "column"),
    ("split", "the last sessions", "feed"),
    ("total_return", "all in a new file", "none"),
    ("total_return", "the last sessions", "none"),
    ("total_return", "all in one file", "none"),
    ("total_return", "a file a day", "none"),
)


@dataclass
class Draft:
    """A world being drawn: its habits are fixed, its stories are added share by share."""

    draw: random.Random
    world: PricedWorld
    sessions: list[date]
    corporate: dict[Key, Corporate] = field(default_factory=dict)
    shocks: dict[Key, float] = field(default_factory=dict)
    growth: dict[str, float] = field(default_factory=dict)

    @property
    def restates(self) -> bool:
        """Whether the vendor's past follows its actions."""
        return self.world.basis != "raw"

    @property
    def redelivers(self) -> bool:
        """Whether a file holds sessions that came before."""
        return self.world.layout != "a file a day"

    def is_live(self, place: int) -> bool:
        """Tell whether a session is one of the daily runs."""
        return place >= len(self.world.past)

    def at(self, place: int) -> date:
        """Return a session by its place."""
        return self.sessions[place]


Story = Callable[[Draft, str, int], int]


def build(seed: int) -> PricedWorld:
    """Write a world; the same for the same seed."""
    draw = random.Random(f"priced {seed}")
    basis, layout, channel = VENDORS[seed % len(VENDORS)]
    start = draw.choice(STARTS)
    past = [exchange.shift(start, -step) for step in range(draw.randint(25, 40), 0, -1)]
    live = [exchange.shift(start, step) for step in range(draw.randint(8, 11))]
    symbols = [chr(65 + place) * 3 for place in range(draw.randint(3, 6))]
    world = PricedWorld(
        seed=seed, basis=basis, layout=layout, window=draw.choice((5, 10)), channel=channel,
        cumulative=draw.random() < 0.5, decimals=draw.choice((2, 2, 4)), stamped=draw.random() < 0.4,
        volume_restated=draw.random() < 0.6, past=past, live=live,
        market=PricedMarket(seed, {}, [], {}, {}),
    )  # fmt: skip
    draft = Draft(draw, world, [*past, *live])
    renamed = draw.choice(symbols) if draw.random() < 0.25 else None
    for symbol in symbols:
        tell(draft, symbol, quiet_live=symbol == renamed)
    starts = {symbol: starting_price(draft, symbol) for symbol in symbols}
    world.market = PricedMarket(seed, starts, draft.sessions, draft.corporate, draft.shocks)
    world.announced[:] = [in_currency(world, one) for one in world.announced]
    keep_apart(draft)
    if renamed:
        rename(draft, renamed)
    world.stories.sort()
    return world


def keep_apart(draft: Draft) -> None:
    """Take back what no reader could tell: a bar mended, or a past restated, in units that nothing shows."""
    world = draft.world
    for (symbol, session), one in list(world.gaps.items()):
        ex_dates = [day for (whose, day) in draft.corporate if whose == symbol]
        crossed = one.mended and any(session < day <= one.mended for day in ex_dates)
        if crossed and draft.restates and not draft.redelivers:
            world.gaps[symbol, session] = Gap("negative close")
    for (symbol, session), told in list(world.restated.items()):
        if world.layout == "the last sessions" and told > session:
            end = draft.sessions.index(told) + 1
            window = draft.sessions[max(end - world.window, 0) : end]
            there = [day for day in window if day < session and (symbol, day) not in world.gaps]
            if len(there) < OVERLAP:
                world.restated[symbol, session] = session
                tell_of(draft, symbol, draft.sessions.index(session), "restated on its day after all")


def in_currency(world: PricedWorld, one: Announcement) -> Announcement:
    """Return an announcement of a dividend with its amount in place of its share of the price."""
    if one.kind == "split":
        return one
    return replace(one, value=world.market.amount(one.symbol, one.session, one.value))


def starting_price(draft: Draft, symbol: str) -> float:
    """Return a first price after which no unit of the world is worth only a few ticks."""
    growth = draft.growth.get(symbol, 1.0)
    return draft.draw.uniform(45, 140) * (growth if growth >= 1 else max(growth, 0.25))


def tell(draft: Draft, symbol: str, *, quiet_live: bool) -> None:
    """Let some stories happen to a share, well apart from each other."""
    past, end = len(draft.world.past), len(draft.sessions)
    place = FIRST_QUIET + draft.draw.randrange(SPACING)
    while place < past - LAST_QUIET:
        if draft.draw.random() < 0.5:
            place = draft.draw.choice(stories_of(draft, live=False))(draft, symbol, place)
        place += SPACING + draft.draw.randrange(4)
    place = past + draft.draw.randrange(3)
    while place < end and not quiet_live:
        if draft.draw.random() < 0.85:
            place = draft.draw.choice(stories_of(draft, live=True))(draft, symbol, place)
        place += SPACING + draft.draw.randrange(2)


def stories_of(draft: Draft, *, live: bool) -> list[Story]:
    """Return what can happen under a vendor's habits, more likely things more often."""
    stories: list[Story] = [split, split, dividend, crash, tick]
    if live:
        stories += [split, split_and_dividend, split, dividend, dividend, gap]
        if draft.world.basis == "raw":
            stories.append(false_announcement)
        if draft.world.basis == "raw" and draft.world.channel == "feed":
            stories += [changed_announcement, withdrawn_announcement]
    return stories


def split(draft: Draft, symbol: str, place: int) -> int:
    """A split, whose bar may be missing, refused or a bad tick."""
    ratio = draft.draw.choice(RATIOS)
    before = draft.growth.get(symbol, 1.0)
    if not 0.05 < before * ratio < 25:
        ratio = 0.5 if ratio > 1 else 2.0
    draft.growth[symbol] = before * ratio
    how = act(draft, symbol, place, Corporate(split=ratio))
    note = ""
    if draft.is_live(place):
        note = bad_tick(draft, symbol, place) if ratio >= 2 else ""
        note = note or fault(draft, symbol, place)
    tell_of(draft, symbol, place, f"split {ratio:g}, {how}, {note or 'bar as it was'}")
    return place


def bad_tick(draft: Draft, symbol: str, place: int) -> str:
    """Let the first bar after a split that is known by then be a bad tick, never mended, now and then."""
    session = draft.at(place)
    said = [one.evening for one in draft.world.announced if (one.symbol, one.session) == (symbol, session)]
    known = min([*said, draft.world.restated.get((symbol, session), date.max)])
    if draft.restates and not draft.redelivers:
        known = min(said, default=date.max)
    if known > session or draft.draw.random() > TICK_AT_SPLIT:
        return ""
    factor = draft.draw.uniform(0.565, 0.6)
    draft.world.ticks[symbol, session] = Tick(factor)
    return f"tick x {factor:.2f}"


def dividend(draft: Draft, symbol: str, place: int) -> int:
    """A dividend, whose bar may be missing or refused."""
    how = act(draft, symbol, place, Corporate(dividend=some_yield(draft)))
    note = fault(draft, symbol, place) if draft.is_live(place) and draft.draw.random() < 0.5 else ""
    tell_of(draft, symbol, place, f"dividend, {how}, {note or 'bar as it was'}")
    return place


def some_yield(draft: Draft) -> float:
    """Return a dividend as a share of the price."""
    return draft.draw.uniform(0.003, 0.04)


def split_and_dividend(draft: Draft, symbol: str, place: int) -> int:
    """A split and a dividend within a week."""
    first, second = draft.draw.sample([split, dividend], 2)
    later = min(place + draft.draw.randint(1, 4), len(draft.sessions) - 1)
    first(draft, symbol, place)
    return second(draft, symbol, later) if later > place else place


def crash(draft: Draft, symbol: str, place: int) -> int:
    """A true crash on heavy volume; in half of them the next session takes most of it back."""
    factor = draft.draw.uniform(0.4, 0.7)
    draft.shocks[symbol, draft.at(place)] = factor
    rebounds = draft.draw.random() < 0.5 and place + 1 < len(draft.sessions)
    if rebounds:
        draft.shocks[symbol, draft.at(place + 1)] = draft.draw.uniform(0.95, 1.02) / factor
    tell_of(draft, symbol, place, f"crash x {factor:.2f}{', rebound' if rebounds else ''}")
    return place + int(rebounds)


def tick(draft: Draft, symbol: str, place: int) -> int:
    """A bad tick with ordinary volume, gone the next day; a file that comes again may have it mended."""
    factor = draft.draw.choice((draft.draw.uniform(0.5, 0.7), draft.draw.uniform(1.43, 2.0)))
    mended = None
    if draft.is_live(place) and draft.redelivers and place + 1 < len(draft.sessions):
        mended = draft.at(place + 1) if draft.draw.random() < 0.5 else None
    draft.world.ticks[symbol, draft.at(place)] = Tick(factor, mended)
    tell_of(draft, symbol, place, f"tick x {factor:.2f}, mended {mended}")
    return place


def gap(draft: Draft, symbol: str, place: int) -> int:
    """An ordinary bar that is missing or refused."""
    tell_of(draft, symbol, place, fault(draft, symbol, place, surely=True))
    return place


def false_announcement(draft: Draft, symbol: str, place: int) -> int:
    """A split is announced that the prices know nothing of, and is mostly withdrawn later."""
    session = draft.at(place)
    say(draft, (symbol, session, "split"), draft.draw.choice((2.0, 3.0, 0.5)), session)
    withdrawn = place + draft.draw.randint(1, 3)
    can_withdraw = draft.world.channel == "feed" or draft.redelivers
    if can_withdraw and withdrawn < len(draft.sessions) and draft.draw.random() < 0.6:
        say(draft, (symbol, session, "split"), 1.0, draft.at(withdrawn))
    tell_of(draft, symbol, place, "split announced that is none")
    return place


def withdrawn_announcement(draft: Draft, symbol: str, place: int) -> int:
    """An action is announced days before and taken back before its day."""
    session, kind = draft.at(place), draft.draw.choice(("split", "dividend"))
    first = max(place - 3, len(draft.world.past) - 1)
    if first < place - 1:
        value = 2.0 if kind == "split" else some_yield(draft)
        say(draft, (symbol, session, kind), value, draft.at(first))
        say(draft, (symbol, session, kind), NEUTRAL[kind], draft.at(place - 1))
        tell_of(draft, symbol, place, f"{kind} announced and withdrawn")
    return place


def changed_announcement(draft: Draft, symbol: str, place: int) -> int:
    """An action is announced with a wrong value, which is put right before, on or after its day."""
    session = draft.at(place)
    right = min(place + draft.draw.choice((-1, 0, 1, 2)), len(draft.sessions) - 1)
    kind = draft.draw.choice(("split", "dividend"))
    amount = some_yield(draft)
    true = Corporate(split=2.0) if kind == "split" else Corporate(dividend=amount)
    draft.corporate[symbol, session] = true
    draft.growth[symbol] = draft.growth.get(symbol, 1.0) * true.split
    said, wrong = (2.0, 3.0) if kind == "split" else (amount, 1.5 * amount)
    first = max(right - 2, len(draft.world.past) - 1)
    if first < right:
        say(draft, (symbol, session, kind), wrong, draft.at(first))
    say(draft, (symbol, session, kind), said, draft.at(right))
    tell_of(draft, symbol, place, f"{kind} announced wrongly, right on {draft.at(right)}")
    return place


def rename(draft: Draft, symbol: str) -> None:
    """A symbol's rows go on by another name from an evening on."""
    evening = draft.draw.choice(draft.world.live[1:-3])
    overlap = draft.draw.randint(6, 12)
    renamed = Rename(symbol, f"{symbol[0]}NEW", evening, overlap)
    draft.world.renames.append(renamed)
    for one in [one for one in draft.world.announced if one.symbol == symbol]:
        draft.world.announced.append(Announcement(renamed.new, one.session, one.kind, one.value, evening))
    tell_of(draft, symbol, draft.sessions.index(evening), f"renamed {renamed.new}")


def act(draft: Draft, symbol: str, place: int, action: Corporate) -> str:
    """Let an action happen, be announced, and be in the past's units; return how, for a person."""
    session, live = draft.at(place), draft.is_live(place)
    draft.corporate[symbol, session] = action
    told, units = session, ""
    if draft.restates and live:
        late = draft.draw.choice((0, 0, 0, 1, 2, 3))
        told = draft.at(min(place + late, len(draft.sessions) - 1))
    if draft.restates:
        draft.world.restated[symbol, session] = told
        units = f", restated {told}"
    if draft.world.channel == "none" or (
        draft.restates and draft.world.channel == "column" and action.dividend
    ):
        return f"announced nowhere{units}"
    lead = 0
    if draft.world.channel == "feed":
        lead = draft.draw.choice((-6, -3, -1, -1, 0, 0, *((1, 2) if live and not draft.restates else ())))
    evening = draft.at(min(max(place + lead, 0), len(draft.sessions) - 1))
    for kind, value in (("split", action.split), ("dividend", action.dividend)):
        if value != NEUTRAL[kind]:
            say(draft, (symbol, session, kind), value, evening)
    return f"announced {evening}{units}"


def fault(draft: Draft, symbol: str, place: int, *, surely: bool = False) -> str:
    """Let the bar of a session be missing or refused, or leave it as it is."""
    if not surely and draft.draw.random() < 0.5:
        return ""
    session, what = draft.at(place), draft.draw.choice(FAULTS)
    later = place + draft.draw.randint(1, 2)
    mended = draft.at(later) if later < len(draft.sessions) and draft.draw.random() < 0.5 else None
    lost_with_it = draft.world.channel == "column" and what == "missing" and mended is None
    if lost_with_it and not surely:
        what = "negative close"
    draft.world.gaps[symbol, session] = Gap(what, mended)
    return f"{what} until {mended}"


def say(draft: Draft, what: tuple[str, date, Kind], value: float, evening: date) -> None:
    """Announce an action, or change what was announced."""
    draft.world.announced.append(Announcement(*what, value, evening))


def tell_of(draft: Draft, symbol: str, place: int, words: str) -> None:
    """Write a story down for a person."""
    draft.world.stories.append(f"{draft.at(place)} {symbol}: {words}")
