"""A vendor of prices: raw or restated at each action, whole files or a day's, late and sometimes wrong."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from tests.world import calendar as exchange
from tests.world.priced_market import PricedMarket
from tests.world.priced_records import (
    NEUTRAL,
    ActionRow,
    Announcement,
    Basis,
    Channel,
    Corporate,
    Gap,
    Key,
    Layout,
    PricedDelivery,
    PricedRow,
    Rename,
    Tick,
)
from tests.world.records import PRICES

HEADER = ("symbol", "session", *PRICES)
STAMPED_BEFORE = timedelta(minutes=1)


@dataclass
class PricedWorld:
    """A vendor, what truly happens, and what the vendor makes of it.

    Attributes
    ----------
    seed : int
    basis : {"raw", "split", "total_return"}
    layout : str
        Which sessions an evening's file holds.
    window : int
        Sessions of a file of "the last sessions".
    channel : {"none", "column", "feed"}
        Where actions are announced.
    cumulative : bool
        Whether each file of actions repeats what was announced before.
    decimals : int
        Places to which prices are rounded.
    stamped, volume_restated : bool
    past, live : sequence of date
        Sessions of the first load and of the daily runs.
    market : PricedMarket
    announced : list of Announcement
    restated : dict
        For each ex-date of a restating vendor the first evening whose file has the past in new units.
    gaps, ticks : dict
    renames : list of Rename
    stories : list of str
        What was drawn, for a person.
    """

    seed: int
    basis: Basis
    layout: Layout
    window: int
    channel: Channel
    cumulative: bool
    decimals: int
    stamped: bool
    volume_restated: bool
    past: Sequence[date]
    live: Sequence[date]
    market: PricedMarket
    announced: list[Announcement] = field(default_factory=list)
    restated: dict[Key, date] = field(default_factory=dict)
    gaps: dict[Key, Gap] = field(default_factory=dict)
    ticks: dict[Key, Tick] = field(default_factory=dict)
    renames: list[Rename] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)

    @property
    def evenings(self) -> list[date]:
        """Sessions after which the vendor writes and we run: the last of the first load, each live one."""
        return [self.past[-1], *self.live]


def deliveries_of(world: PricedWorld) -> list[PricedDelivery]:
    """Return all that the vendor ever writes, in order."""
    return [_delivery(world, evening, number) for number, evening in enumerate(world.evenings)]


def written_at(evening: date, number: int) -> datetime:
    """Return when an evening's files are written, between five and half past nine in New York."""
    return exchange.in_new_york(evening, 17 + number % 5, 7 * number % 30)


def _delivery(world: PricedWorld, evening: date, number: int) -> PricedDelivery:
    at = written_at(evening, number)
    rows = [row for symbol in world.market.symbols for row in _rows(world, symbol, evening, at)]
    name = "history.csv" if evening == world.past[-1] else f"bars-{evening}.csv"
    name = "bars.csv" if world.layout == "all in one file" else name
    actions = _actions(world, evening, number, at) if world.channel == "feed" else None
    return PricedDelivery(evening, at, name, tuple(rows), actions)


def _rows(world: PricedWorld, symbol: str, evening: date, at: datetime) -> Iterable[PricedRow]:
    renamed = next((one for one in world.renames if one.old == symbol and one.evening <= evening), None)
    sent = _sent(world, symbol, evening)
    if renamed and renamed.evening == evening and world.layout in {"a file a day", "the last sessions"}:
        sent = [*world.past, *(one for one in world.live if one <= evening)][-renamed.overlap :]
    for session in sent:
        row = _row(world, symbol, session, evening, at)
        if row is not None:
            yield row if renamed is None else _under(row, renamed.new)


def _under(row: PricedRow, symbol: str) -> PricedRow:
    more = (row.unit, row.wrong, row.split, row.dividend, row.received_at)
    return PricedRow(symbol, row.session, row.prices, *more)


def _sent(world: PricedWorld, symbol: str, evening: date) -> list[date]:
    """Return the sessions that a symbol's part of an evening's file is about."""
    so_far = [*world.past, *(one for one in world.live if one <= evening)]
    if evening == world.past[-1] or world.layout in {"all in a new file", "all in one file"}:
        return so_far
    sent = so_far[-1:] if world.layout == "a file a day" else so_far[-world.window :]
    mended = [day for (whose, day), gap in world.gaps.items() if whose == symbol and gap.mended == evening]
    return sorted({*sent, *mended})


def _row(world: PricedWorld, symbol: str, session: date, evening: date, at: datetime) -> PricedRow | None:
    """Return a bar as it is printed on an evening; None where it is left out."""
    key = symbol, session
    gap = world.gaps.get(key)
    if gap and gap.mended and gap.mended <= evening:
        gap = None
    if gap and gap.fault == "missing":
        return None
    tick = world.ticks.get(key)
    wrong = 1.0 if tick is None or (tick.mended and tick.mended <= evening) else tick.factor
    unit = unit_of(world, symbol, session, evening)
    true = world.market.bars[key]
    exact = [price * unit * wrong for price in (true.open, true.high, true.low, true.close)]
    if gap:
        exact = [exact[0], exact[2], exact[1], exact[3] if gap.fault == "high below low" else -exact[3]]
    volume = round(true.volume / unit) if world.volume_restated else true.volume
    opened, high, low, closed = (f"{price:.{world.decimals}f}" for price in exact)
    split = dividend = None
    if world.channel == "column":
        said = [announced_by(world, symbol, session, kind, evening) for kind in ("split", "dividend")]
        split, dividend = f"{said[0]:.4f}", f"{said[1]:.4f}"
    stamp = _stamp(world, session, evening, at)
    return PricedRow(
        symbol, session, (opened, high, low, closed, str(volume)), unit, wrong, split, dividend, stamp
    )


def _stamp(world: PricedWorld, session: date, evening: date, at: datetime) -> str | None:
    """Return the time of writing; in the first load that of each session's own evening."""
    if not world.stamped:
        return None
    if evening == world.past[-1]:
        return exchange.in_new_york(session, 17, 5).isoformat()
    return (at - STAMPED_BEFORE).isoformat()


def unit_of(world: PricedWorld, symbol: str, session: date, evening: date) -> float:
    """Return what an evening's file multiplies the exchange's prices of a session with."""
    unit = 1.0
    for day, action in world.market.between(symbol, session, evening):
        if world.restated.get((symbol, day), date.max) <= evening:
            unit *= restating_factor(world, symbol, day, action)
    return unit


def restating_factor(world: PricedWorld, symbol: str, session: date, action: Corporate) -> float:
    """Return what the vendor multiplies all earlier prices with at an ex-date."""
    factor = 1 / action.split
    if world.basis == "total_return":
        before = world.market.bars[symbol, world.market.before(session)].close
        factor *= (before - action.dividend * action.split) / before
    return factor


def announced_by(world: PricedWorld, symbol: str, session: date, kind: str, evening: date) -> float:
    """Return the last word about an action by an evening; neutral where there was none."""
    said = [
        one
        for one in world.announced
        if (one.symbol, one.session, one.kind) == (symbol, session, kind) and one.evening <= evening
    ]
    return max(said, key=lambda one: one.evening).value if said else NEUTRAL[kind]


def _actions(world: PricedWorld, evening: date, number: int, at: datetime) -> tuple[ActionRow, ...] | None:
    """Return the file of actions of an evening: the news alone, or all with their last words."""
    news = [
        one for one in world.announced if one.evening == evening or (not number and one.evening < evening)
    ]
    if world.cumulative and number:
        news = [one for one in world.announced if one.evening <= evening]
    if not news and number:
        return None
    last = {(one.symbol, one.session, one.kind): one for one in sorted(news, key=lambda one: one.evening)}
    return tuple(
        ActionRow(one.symbol, one.session, one.kind, f"{one.value:.4f}", _said_at(world, one, evening, at))
        for one in last.values()
    )


def _said_at(world: PricedWorld, one: Announcement, evening: date, at: datetime) -> str | None:
    if not world.stamped:
        return None
    if one.evening in world.evenings:
        at = written_at(one.evening, world.evenings.index(one.evening))
        return (at - STAMPED_BEFORE).isoformat()
    return exchange.in_new_york(one.evening, 17, 5).isoformat()


@dataclass
class PricedPlayer:
    """Writes an evening's files below a folder.

    Attributes
    ----------
    folder : Path
    world : PricedWorld
    deliveries : list of PricedDelivery
    """

    folder: Path
    world: PricedWorld
    deliveries: list[PricedDelivery]

    def options(self) -> tuple[str, ...]:
        """Return the words that tell the command line of this vendor."""
        words = [
            f"sources.files.bars={self._place('bars')}",
            f"sources.files.price_basis={self.world.basis}",
            "feeds.bars=files",
            "feeds.texts=null",
            "completeness.min_universe_share=0.01",
            "labels.horizon_sessions=[1, 5]",
        ]
        if self.world.channel == "feed":
            words += [f"sources.files.actions={self._place('actions')}", "feeds.actions=files"]
        return tuple(part for word in words for part in ("--set", word))

    def write(self, evening: date) -> PricedDelivery:
        """Write what comes on an evening, and return it."""
        (one,) = (one for one in self.deliveries if one.evening == evening)
        write_bars(self._place("bars") / one.name, one)
        if one.actions is not None:
            name = "actions.csv" if self.world.cumulative else f"actions-{evening}.csv"
            write_actions(
                self._place("actions") / name, one.actions, one.written_at, stamped=self.world.stamped
            )
        return one

    def _place(self, kind: str) -> Path:
        place = self.folder / kind
        place.mkdir(parents=True, exist_ok=True)
        return place


def write_bars(target: Path, delivery: PricedDelivery) -> None:
    """Write a file of bars as CSV, with the columns that its rows have."""
    rows = delivery.bars
    extras = [
        name
        for name in ("split", "dividend", "received_at")
        if any(getattr(row, name) is not None for row in rows)
    ]
    cells = [
        [row.symbol, str(row.session), *row.prices, *(getattr(row, name) or "" for name in extras)]
        for row in rows
    ]
    _write(target, [*HEADER, *extras], cells, delivery.written_at)


def write_actions(target: Path, rows: Sequence[ActionRow], at: datetime, *, stamped: bool) -> None:
    """Write a file of actions as CSV; one without a row has its header all the same."""
    cells = [
        [row.symbol, str(row.session), row.kind, row.value, *([row.received_at or ""] if stamped else [])]
        for row in rows
    ]
    _write(target, ["symbol", "date", "kind", "value", *(["received_at"] if stamped else [])], cells, at)


def _write(target: Path, header: list[str], rows: Iterable[list[str]], at: datetime) -> None:
    with target.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(header)
        table.writerows(rows)
    os.utime(target, (at.timestamp(), at.timestamp()))
