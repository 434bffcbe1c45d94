"""The player: it lays a vendor's files into folders by the hour, as a simulated clock moves on."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from tests.world.records import PRICES, Bar, Delivery, FeedRules, Text

BAR_HEADER = ("symbol", "session", *PRICES)
TEXT_HEADER = ("symbol", "published_at", "text", "source")


@dataclass(frozen=True)
class Visit:
    """A run that our scheduler, or an operator, is to make.

    Attributes
    ----------
    clock : datetime
        When it is first tried.
    first, last : date
        What it is asked for.
    history : bool
        A bulk load.
    tries : tuple of int
        Minutes after `clock` at which it is made, each only if the one before ended with "try again".
    struck : bool
        Whether its first try dies between its data and its closing row; the next one comes 5 minutes later.
    only_if_red : bool
        Whether an operator clears the run of a session that ended red, and otherwise does nothing.
    """

    clock: datetime
    first: date
    last: date
    history: bool = False
    tries: tuple[int, ...] = (0,)
    struck: bool = False
    only_if_red: bool = False


@dataclass(frozen=True)
class World:
    """All that happens outside our house, and when we look."""

    seed: int
    feeds: tuple[FeedRules, ...]
    deliveries: tuple[Delivery, ...]
    visits: tuple[Visit, ...]
    scenes: tuple[str, ...]
    settings: tuple[str, ...] = ()


@dataclass
class Player:
    """Writes deliveries below a folder, each when its hour has come.

    Attributes
    ----------
    folder : Path
    deliveries : sequence of Delivery
    """

    folder: Path
    deliveries: Sequence[Delivery]
    _written: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.deliveries = sorted(self.deliveries, key=lambda one: one.written_at)
        for one in self.deliveries:
            self.place(one.feed, one.kind).mkdir(parents=True, exist_ok=True)

    def place(self, feed: str, kind: str) -> Path:
        """Return the folder into which a feed drops its files."""
        return self.folder / feed / kind

    def advance(self, clock: datetime) -> None:
        """Write what is there by now."""
        while self._written < len(self.deliveries) and self.deliveries[self._written].written_at <= clock:
            write(self.deliveries[self._written], self.place)
            self._written += 1

    def next_after(self, clock: datetime) -> datetime | None:
        """Return when the next file comes."""
        coming = [one.written_at for one in self.deliveries if one.written_at > clock]
        return min(coming, default=None)

    def options(self, feeds: Sequence[FeedRules]) -> tuple[str, ...]:
        """Return the options that tell the command line of these feeds."""
        words: list[str] = []
        kinds = {rules.kind: rules.name for rules in feeds if rules.primary}
        for rules in feeds:
            entry = f"sources.{rules.name}"
            if rules.name != "files":
                words += [f"{entry}.kind=files", f"{entry}.calendar=XNYS"]
                words += [f"{entry}.timezone=America/New_York", f"{entry}.price_basis=raw"]
                words.append(f"{entry}.arrival={'column' if rules.stamped else 'none'}")
            words.append(f"{entry}.{rules.kind}={self.place(rules.name, rules.kind)}")
            if rules.stamps_from:
                words.append(f"{entry}.stamps_from={rules.stamps_from}")
        beside = [rules.name for rules in feeds if not rules.primary]
        words += [f"feeds.bars={kinds['bars']}", f"feeds.texts={kinds.get('texts', 'null')}"]
        words.append("sources.files.price_basis=raw")
        if beside:
            words.append(f"feeds.beside=[{', '.join(beside)}]")
        return tuple(part for word in words for part in ("--set", word))


def write(delivery: Delivery, place: object) -> None:
    """Write one file and give it the time that the vendor's machine gives it."""
    target: Path = place(delivery.feed, delivery.kind) / delivery.name  # type: ignore[operator]
    if delivery.garbage:
        target.write_bytes(b"\x00\x1f<html>503 Service Unavailable</html>\n")
    else:
        write_rows(target, delivery)
    seconds = delivery.object_time.timestamp()
    os.utime(target, (seconds, seconds))


def write_rows(target: Path, delivery: Delivery) -> None:
    """Write a table as CSV; a file without a row has its header all the same."""
    stamped = any(record.received_at is not None for record in delivery.records) or delivery.stamped
    header = BAR_HEADER if delivery.kind == "bars" else TEXT_HEADER
    with target.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow([*header, *(["received_at"] if stamped else [])])
        for record in delivery.records:
            rows.writerow([*cells(record), *([record.received_at or ""] if stamped else [])])


def cells(record: Bar | Text) -> list[str]:
    """Return a record as the vendor prints it, its stamp aside."""
    if isinstance(record, Bar):
        return [record.symbol, str(record.session), *record.prices]
    return [record.symbol, record.published_at, record.text, "wire"]
