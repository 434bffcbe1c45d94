"""A world of prices is played: an evening's files, our run at its cut, each return held against the truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from tests.world import calendar as exchange
from tests.world.commands import Answer, Home
from tests.world.priced_expected import Answer as Sure
from tests.world.priced_expected import Expected
from tests.world.priced_records import Key
from tests.world.priced_reference import PricedReference
from tests.world.priced_vendor import PricedPlayer, PricedWorld

STAGES = "ingest,curate,build_features"
WINDOWS = (1, 2, 5)
LOOKED_AT = 8
"""Sessions back from each cut whose returns are read."""
LABEL_LAG = 2
"""A label of one session ends this many sessions after its own."""
RATIO = 0.005
"""How far a told change of units may be off: twice what the coarsest prices here are rounded by."""
Returns = dict[Key, float | None]


@dataclass
class PricedPlay:
    """One world being played in one home.

    Attributes
    ----------
    world : PricedWorld
    home : Home
    player : PricedPlayer
    reference : PricedReference
    nulls : Counter
        Returns that were rightly null, by rule.
    unrestated : int
        Returns that were off by what the vendor had not restated yet.
    diary : list of str
    """

    world: PricedWorld
    home: Home
    player: PricedPlayer
    reference: PricedReference
    nulls: Counter[str] = field(default_factory=Counter)
    unrestated: int = 0
    diary: list[str] = field(default_factory=list)
    renamed: set[str] = field(default_factory=set)
    bars: int = 0

    def play(self) -> None:
        """Make every evening's run and judge each; at the end what all cuts say, and the labels."""
        for evening in self.world.evenings:
            self.player.write(evening)
            self.run(evening)
            self.count_versions(evening)
            self.judge_features(evening, LOOKED_AT)
        for cut in self.world.evenings:
            self.judge_features(cut, len(self.reference.sessions))
        self.judge_labels()
        self.judge_actions()
        self.judge_alerts()

    def run(self, evening: date) -> None:
        """Load the history, or do what an evening does at its cut."""
        first = evening == self.world.past[-1]
        days = (
            ("--start", str(self.world.past[0]), "--end", str(evening))
            if first
            else ("--as-of", str(evening))
        )
        answer = self.home.run("run", "--stages", STAGES, *days, clock=exchange.cut(evening))
        self.diary.append(f"{evening}: exit {answer.exit_code}")
        self.check(answer.exit_code == 0, f"run of {evening}: exit {answer.exit_code}\n{answer.said[-2000:]}")
        self.renamed |= {one.new for one in self.world.renames if tells_of(answer, one.old, one.new)}

    def count_versions(self, evening: date) -> None:
        """Refuse more versions of bars than the evening had news."""
        now = self.home.show("silver.bars").height
        most = self.reference.versions(evening)
        self.check(now - self.bars <= most, f"{evening}: {now - self.bars} versions of bars, at most {most}")
        self.bars = now

    def judge_features(self, cut: date, sessions: int) -> None:
        """Hold the returns of the last sessions, as known at a cut, against what they may be."""
        rows = self.home.show("gold.features_daily", "--known-at", exchange.cut(cut).isoformat())
        for window in WINDOWS:
            told = returns_of(rows, f"mom_return_{window}d")
            self.check(bool(told), f"no features as known at the cut of {cut}")
            for (symbol, session), expected in self.expected(cut, window, sessions):
                where = f"{symbol} {session} over {window}, as known at the cut of {cut}"
                self.judge(told.get((symbol, session)), expected, where)

    def judge_labels(self) -> None:
        """Hold the outcomes, as they stand at the end, against what they may be."""
        cut = self.world.evenings[-1]
        rows = self.home.show("gold.labels", "--known-at", exchange.cut(cut).isoformat())
        self.check(not rows.is_empty(), "no labels")
        rows = rows.filter(pl.col("horizon") == "1")
        told, place = returns_of(rows, "value"), self.reference.sessions.index
        there = self.reference.standing(cut)
        for (symbol, session), expected in self.expected(cut, 1, len(self.reference.sessions)):
            if place(session) >= LABEL_LAG:
                signal = self.reference.sessions[place(session) - LABEL_LAG]
                if (symbol, signal) in there:
                    self.judge(told.get((symbol, signal)), expected, f"label of {symbol} {signal}")

    def judge_actions(self) -> None:
        """Ask for every change of units that was shown, at a session that can bear it, and each open jump."""
        cut = self.world.evenings[-1]
        rows = self.home.show("silver.actions", "--known-at", exchange.cut(cut).isoformat())
        told = actions_of(rows, "rebase")
        for (symbol, day), (ratio, shown) in self.reference.seams(cut).items():
            last = self.reference.next_bar(symbol, day, cut) or day
            found = [key for key in told if key[0] == symbol and day <= key[1] <= last]
            where = f"change of units of {symbol} on {day}"
            needed = shown == Sure.YES and self.world.channel == "none"
            self.check(len(found) == 1 or (not found and not needed), f"{where}: told {found}")
            for key in found:
                value = told.pop(key)
                self.check(abs(value / ratio - 1) < RATIO, f"{where}: {value:.5f}, but it is {ratio:.5f}")
        self.check(not told, f"units never changed at {sorted(told)}")
        jumps, open_jumps = set(actions_of(rows, "jump")), self.reference.jumps(cut)
        lacking = {key for key, sure in open_jumps.items() if sure == Sure.YES} - jumps
        self.check(not lacking, f"no jump stands at {sorted(lacking)}")
        self.check(jumps <= set(open_jumps), f"jumps stand at {sorted(jumps - set(open_jumps))}")

    def judge_alerts(self) -> None:
        """Ask that every rename was told of."""
        lacking = {one.new for one in self.world.renames} - self.renamed
        self.check(not lacking, f"no alert or finding names the old and the new symbol of {sorted(lacking)}")

    def expected(self, cut: date, window: int, sessions: int) -> Iterator[tuple[Key, Expected]]:
        """Yield what each return of the last sessions up to a cut may be."""
        known = [day for day in self.reference.sessions if day <= cut][-sessions:]
        for symbol in self.reference.symbols(cut):
            for session in known:
                yield (symbol, session), self.reference.expect(symbol, session, window, cut)

    def judge(self, value: float | None, expected: Expected, where: str) -> None:
        """Refuse a value that is not allowed, and count what is allowed though it is no ordinary return."""
        wrong = verdict(value, expected)
        self.check(not wrong, f"{where}: {wrong}")
        if value is None:
            self.nulls[expected.why] += 1
        elif expected.why.startswith("a dividend"):
            self.unrestated += 1

    def check(self, good: bool, why: str) -> None:
        """Fail with all that a person needs in order to follow the world."""
        if good:
            return
        world = self.world
        habits = (
            f"seed {world.seed}: {world.basis}, {world.layout} ({world.window}), actions {world.channel}, "
            f"{'stamped' if world.stamped else 'plain'}, {world.decimals} decimals, "
            f"past {world.past[0]}..{world.past[-1]}, live to {world.live[-1]}"
        )
        raise AssertionError("\n".join([why, habits, *world.stories, *self.diary]))


def verdict(value: float | None, expected: Expected) -> str:
    """Say what is wrong with a value; empty where it is allowed."""
    if value is None:
        return "" if expected.null_allowed else f"null, but it is {_range(expected)}"
    if expected.low is None or expected.high is None:
        return f"{value:.6f}, but null: {expected.why}"
    if expected.low <= value <= expected.high:
        return ""
    return f"{value:.6f}, but it is {_range(expected)}"


def _range(expected: Expected) -> str:
    return f"{expected.low:.6f} to {expected.high:.6f} {expected.why}".rstrip()


def returns_of(rows: pl.DataFrame, column: str) -> Returns:
    """Return a column of a shown table by symbol and session; null where the row is not valid."""
    if rows.is_empty():
        return {}
    told = rows.select(
        "symbol",
        pl.col("session").str.to_date(),
        pl.when(pl.col("valid") == "true").then(pl.col(column).cast(pl.Float64, strict=False)),
    )
    return {(symbol, session): value for symbol, session, value in told.rows()}


def actions_of(rows: pl.DataFrame, kind: str) -> dict[Key, float]:
    """Return the valid actions of a kind of a shown table."""
    if rows.is_empty():
        return {}
    chosen = rows.filter((pl.col("kind") == kind) & (pl.col("valid") == "true"))
    told = chosen.select("symbol", pl.col("session").str.to_date(), pl.col("value").cast(pl.Float64))
    return {(symbol, session): value for symbol, session, value in told.rows()}


def tells_of(answer: Answer, *words: str) -> bool:
    """Tell whether an alert or a finding in the line of a run has all the words."""
    return any(all(word in text for word in words) for text in _notes(answer.line, inside=False))


def _notes(value: Any, *, inside: bool) -> Iterator[str]:
    """Yield everything below a key named for alerts or findings, each entry as a text."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _notes(one, inside=inside or name in {"alerts", "findings"})
    elif isinstance(value, list):
        for one in value:
            if inside:
                yield json.dumps(one)
            yield from _notes(one, inside=inside)
    elif inside:
        yield str(value)
