"""The judge of the priced worlds: a home that says what is true passes, one that says anything else fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from tests.world import calendar as exchange
from tests.world.commands import Answer, Home
from tests.world.priced_build import build
from tests.world.priced_expected import YES, Expected
from tests.world.priced_play import LABEL_LAG, WINDOWS, PricedPlay
from tests.world.priced_records import Key
from tests.world.priced_reference import PricedReference
from tests.world.priced_vendor import PricedPlayer, PricedWorld, deliveries_of

pytestmark = pytest.mark.world
RESTATED, OPEN, RENAMED, DIVIDENDS = 4, 7, 8, 11
"""Worlds of the kinds that their names say: splits restated, never shown, a rename, total returns."""
Rows = list[dict[str, Any]]
Falsify = Callable[[str, Rows], Rows]


def middle(expected: Expected) -> str | None:
    if expected.low is None or expected.high is None:
        return None
    return repr((expected.low + expected.high) / 2)


@dataclass
class ToldHome:
    """A home that answers from a reference of its own, after its answers were falsified."""

    reference: PricedReference
    falsify: Falsify
    renames: tuple[str, ...] = ()
    versions: int = 0
    ran: list[date] = field(default_factory=list)

    def run(self, *words: str, clock: datetime) -> Answer:
        self.ran.append(date.fromisoformat(words[-1]))
        self.versions += self.reference.versions(self.ran[-1])
        return Answer(exit_code=0, line={"details": {"alerts": list(self.renames)}}, said="")

    def show(self, table: str, *filters: str) -> pl.DataFrame:
        if table == "silver.bars":
            rows: Rows = [{"symbol": "A"}] * self.versions
        else:
            cut = next(day for day in self.ran if exchange.cut(day).isoformat() == filters[-1])
            tables = {
                "gold.features_daily": self.features,
                "gold.labels": self.labels,
                "silver.actions": self.actions,
            }
            rows = tables[table](cut)
        return pl.DataFrame(self.falsify(table, rows), infer_schema_length=None)

    def features(self, cut: date) -> Rows:
        return [
            {"symbol": symbol, "session": str(day), "valid": "true"}
            | {
                f"mom_return_{window}d": middle(self.reference.expect(symbol, day, window, cut))
                for window in WINDOWS
            }
            for symbol, day in self.bars(cut)
        ]

    def labels(self, cut: date) -> Rows:
        return [
            {"symbol": symbol, "session": str(signal), "horizon": "1", "valid": "true"}
            | {"value": middle(self.reference.expect(symbol, day, 1, cut))}
            for symbol, day in self.bars(cut)
            for signal in self.reference.sessions[max(self.reference.sessions.index(day) - LABEL_LAG, 0) :][
                :1
            ]
        ]

    def actions(self, cut: date) -> Rows:
        seams = {key: ratio for key, (ratio, shown) in self.reference.seams(cut).items() if shown == YES}
        told = [("rebase", *key, ratio) for key, ratio in seams.items()]
        told += [("jump", *key, 1.0) for key in self.reference.jumps(cut)]
        return [
            {"kind": kind, "symbol": symbol, "session": str(day), "value": str(value), "valid": "true"}
            for kind, symbol, day, value in told
        ]

    def bars(self, cut: date) -> list[Key]:
        return sorted(self.reference.standing(cut))


def play_of(folder: Path, seed: int, falsify: Falsify, *, tells: bool = True) -> PricedPlay:
    world: PricedWorld = build(seed)
    deliveries = deliveries_of(world)
    renames = tuple(f"{one.old} goes on as {one.new}" for one in world.renames) if tells else ()
    home = cast("Home", ToldHome(PricedReference(world, deliveries), falsify, renames))
    player = PricedPlayer(folder, world, deliveries)
    return PricedPlay(world, home, player, PricedReference(world, deliveries))


def honest(_table: str, rows: Rows) -> Rows:
    return rows


def changed(table: str, column: str, change: Callable[[float], float | None], place: int) -> Falsify:
    """Return what changes one number of a table's answers, the `place`-th of those that are there."""

    def falsify(told: str, rows: Rows) -> Rows:
        there = [row for row in rows if told == table and row[column] is not None]
        if there:
            value = change(float(there[place][column]))
            there[place][column] = None if value is None else str(value)
        return rows

    return falsify


@pytest.mark.parametrize("seed", [0, RESTATED, RENAMED, DIVIDENDS])
def test_a_home_that_says_what_is_true_passes(tmp_path: Path, seed: int) -> None:
    play = play_of(tmp_path, seed, honest)
    play.play()
    assert play.nulls["a bar is not there"] > 0
    assert len(play.diary) == len(play.world.evenings)


@pytest.mark.parametrize(
    ("falsify", "said"),
    [
        (changed("gold.features_daily", "mom_return_1d", lambda value: value / 2 - 0.5, -1), "but it is"),
        (changed("gold.features_daily", "mom_return_2d", lambda value: value + 0.004, -1), "but it is"),
        (changed("gold.features_daily", "mom_return_5d", lambda value: None, -1), "null, but it is"),
        (changed("gold.labels", "value", lambda value: value * 2 + 1, 40), "label of .*but it is"),
        (changed("gold.labels", "value", lambda value: None, 40), "label of .*null, but it is"),
        (changed("silver.actions", "value", lambda value: value * 1.02, 0), "change of units of .*but it is"),
    ],
)
def test_a_number_that_is_not_true_fails(tmp_path: Path, falsify: Falsify, said: str) -> None:
    with pytest.raises(AssertionError, match=rf"{said}[\s\S]*seed {RESTATED}: split"):
        play_of(tmp_path, RESTATED, falsify).play()


def only(kinds: set[str]) -> Falsify:
    return lambda table, rows: [row for row in rows if table != "silver.actions" or row["kind"] in kinds]


def twice(table: str) -> Falsify:
    return lambda told, rows: [*rows, *rows[:1]] if told == table else rows


def nothing(table: str) -> Falsify:
    return lambda told, rows: [] if told == table else rows


def beside(kind: str) -> Falsify:
    """Return what tells of an action too many, in the middle of the history."""

    def falsify(table: str, rows: Rows) -> Rows:
        if table != "silver.actions":
            return rows
        day = str(build(RESTATED).past[3])
        return [*rows, {"kind": kind, "symbol": "AAA", "session": day, "value": "2.0", "valid": "true"}]

    return falsify


@pytest.mark.parametrize(
    ("seed", "falsify", "said"),
    [
        (RESTATED, only({"jump"}), r"change of units of \w+ on .*told \[\]"),
        (OPEN, only({"rebase"}), "no jump stands at"),
        (RESTATED, beside("rebase"), "units never changed at"),
        (RESTATED, beside("jump"), "jumps stand at"),
        (RESTATED, twice("silver.bars"), "versions of bars, at most"),
        (RESTATED, nothing("gold.labels"), "no labels"),
        (RESTATED, nothing("gold.features_daily"), "no features"),
    ],
)
def test_a_table_that_says_too_little_or_too_much_fails(
    tmp_path: Path, seed: int, falsify: Falsify, said: str
) -> None:
    with pytest.raises(AssertionError, match=said):
        play_of(tmp_path, seed, falsify).play()


def test_a_rename_that_is_not_told_of_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no alert or finding names the old and the new symbol"):
        play_of(tmp_path, RENAMED, honest, tells=False).play()
