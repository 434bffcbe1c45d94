"""A small home beside a vendor's folder, for tests that tell one short story each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl
import pytest

from tests.world import calendar as exchange
from tests.world.commands import Answer, Home
from tests.world.play import instants
from tests.world.records import Bar, Delivery, FeedRules, Text
from tests.world.vendor import Player, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")
MON, TUE, WED, THU, FRI = (date(2023, 11, day) for day in (13, 14, 15, 16, 17))
PAST = exchange.sessions(date(2023, 11, 3), date(2023, 11, 10))


def bar(symbol: str, session: date, close: float, stamp: datetime | str | None = None) -> Bar:
    """Return a bar whose prices lie around its close."""
    prices = f"{close:.2f}", f"{close + 1:.2f}", f"{close - 1:.2f}", f"{close:.2f}", "1000"
    return Bar(symbol, session, prices, stamp.isoformat() if isinstance(stamp, datetime) else stamp)


def evening(
    session: date, *, stamped: bool, symbols: Iterable[str] = SYMBOLS, close: float = 50.0
) -> list[Bar]:
    """Return what an ordinary evening brings, written and stamped at five in New York."""
    stamp = exchange.in_new_york(session, 17) if stamped else None
    return [bar(symbol, session, close, stamp) for symbol in symbols]


@dataclass
class SmallHome:
    """A home and the folders of its feeds.

    Attributes
    ----------
    home : Home
    player : Player
    stamped : bool
        Whether the bars have stamps.
    """

    home: Home
    player: Player
    stamped: bool

    def drop(self, name: str, at: datetime, *records: Bar | Text, feed: str = "files") -> Path:
        """Let the vendor write a file."""
        kind: Literal["bars", "texts"] = "texts" if feed == "wire" else "bars"
        place = self.player.place(feed, kind)
        place.mkdir(parents=True, exist_ok=True)
        stamped = self.stamped and kind == "bars"
        write(Delivery(feed, kind, name, at, at, records, stamped=stamped), self.player.place)
        return place / name

    def drop_day(self, session: date, *, close: float = 50.0, symbols: Iterable[str] = SYMBOLS) -> None:
        """Let the vendor write an ordinary evening's file."""
        bars = evening(session, stamped=self.stamped, symbols=symbols, close=close)
        self.drop(f"bars-{session}.csv", exchange.in_new_york(session, 17, 1), *bars)

    def load_past(self) -> None:
        """Load the sessions before the stories begin."""
        bars = [one for session in PAST for one in evening(session, stamped=self.stamped)]
        self.drop("past.csv", exchange.in_new_york(PAST[-1], 18), *bars)
        answer = self.home.load(PAST[0], PAST[-1], exchange.cut(PAST[-1]))
        assert answer.exit_code == 0, answer.said

    def ingest(self, session: date, clock: datetime | None = None) -> int:
        """Run the evening's task, by default at the cut."""
        return self.try_ingest(session, clock).exit_code

    def try_ingest(self, session: date, clock: datetime | None = None) -> Answer:
        """Run the evening's task and return all that it answered."""
        return self.home.ingest(session, clock or exchange.cut(session))

    def bars(self, session: date, symbol: str = "AAA") -> list[tuple[datetime, str, float]]:
        """Return the versions of one bar: known at, how, and its close."""
        rows = self.home.show("silver.bars", "--session", str(session), "--symbol", symbol)
        if rows.is_empty():
            return []
        chosen = instants(rows, "known_at").select("known_at", "known_by", pl.col("close").cast(pl.Float64))
        return sorted(chosen.rows())

    def all_bars(self) -> set[tuple[object, ...]]:
        """Return every version of every bar, without how we know it."""
        rows = self.home.show("silver.bars").select("symbol", "session", "known_at", "close", "valid").rows()
        return set(rows)

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return self.home.show(table).height

    def refused(self) -> list[tuple[str, str]]:
        """Return symbol and rule of everything in quarantine."""
        rows = self.home.show("ops.quarantine")
        return [] if rows.is_empty() else sorted(rows.select("symbol", "rule").rows())


@pytest.fixture
def open_small(spark: SparkSession, tmp_path: Path) -> Callable[..., SmallHome]:
    """Open a home of five symbols; texts come from a wire of their own where asked for."""

    def open_one(*settings: str, stamped: bool = False, texts: bool = False, name: str = "home") -> SmallHome:
        player = Player(tmp_path / name / "vendor", [])
        feeds = [FeedRules("files", "bars", stamped)]
        player.place("files", "bars").mkdir(parents=True)
        if texts:
            feeds.append(FeedRules("wire", "texts", stamped=False))
            player.place("wire", "texts").mkdir(parents=True)
        more = tuple(part for setting in settings for part in ("--set", setting))
        home = Home(tmp_path / name / "home", (*player.options(feeds), *more))
        return SmallHome(home, player, stamped)

    return open_one


def stamped_copy(one: Bar, stamp: datetime | str) -> Bar:
    """Return a bar under another stamp."""
    return replace(one, received_at=stamp if isinstance(stamp, str) else stamp.isoformat())
