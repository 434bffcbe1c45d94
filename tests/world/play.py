"""A world is played: files by the hour, our runs by the command line, and the reference beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl

from tests.world.commands import Home
from tests.world.records import PRICES, Poll, Refusal, Version
from tests.world.reference import DONE, SHORT, STRUCK, TRY_AGAIN, Reference
from tests.world.vendor import Player, Visit, World

MOST_RUNS = 12
LAST_TRY = 20
STAMP_RULES = {"unreadable_received_at", "received_before_event", "received_in_future", "event_in_future"}
AfterIngest = Callable[[date, datetime, int], None]


@dataclass
class Play:
    """One world being played in one home.

    Attributes
    ----------
    world : World
    home : Home
    player : Player
    reference : Reference
    strike : callable
        Lets the next run die before its closing row.
    after_ingest : callable or None
        What is run once a session has been ingested well.
    """

    world: World
    home: Home
    player: Player
    strike: Callable[[], None]
    after_ingest: AfterIngest | None = None
    reference: Reference = field(init=False)
    diary: list[str] = field(default_factory=list)
    runs: int = 0
    red: set[date] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.reference = Reference(self.world.feeds, self.world.deliveries)

    def play(self) -> None:
        """Make every run of the world, and compare how each ends."""
        *most, last = self.world.visits
        for visit in most:
            if self.runs < MOST_RUNS - 4:
                self.make(visit)
        self.make(last)
        self.player.advance(last.clock)
        self.home.curate(last.last, last.clock + timedelta(minutes=LAST_TRY))

    def make(self, visit: Visit) -> None:
        """Make a run, and its further tries as the scheduler would; an idle try between is left out."""
        if visit.only_if_red and visit.last not in self.red:
            return
        seen = visit.clock - timedelta(days=1)
        struck = visit.struck
        for minute in (*visit.tries, *([25] if struck else [])):
            clock = visit.clock + timedelta(minutes=minute)
            news = self.player.next_after(seen)
            if minute not in {0, LAST_TRY} and not struck and (news is None or news > clock):
                continue
            code = self.once(visit, clock, struck=struck and minute == 0)
            seen = clock
            if code not in {TRY_AGAIN, STRUCK}:
                break
        if code == SHORT:
            self.red.add(visit.last)
        elif code == DONE and not visit.history:
            self.red.discard(visit.last)
            if self.after_ingest:
                self.after_ingest(visit.last, clock, code)

    def once(self, visit: Visit, clock: datetime, *, struck: bool) -> int:
        """Make one try; return its exit code, which the reference must have foreseen."""
        self.player.advance(clock)
        poll = Poll(clock, visit.first, visit.last, history=visit.history, struck=struck)
        if struck:
            self.strike()
        if visit.history:
            answer = self.home.load(visit.first, visit.last, clock)
        else:
            answer = self.home.ingest(visit.last, clock)
        expected = self.reference.ingest(poll)
        self.runs += 1
        self.diary.append(f"{clock:%Y-%m-%d %H:%M:%S} {visit.first}..{visit.last}: {answer.exit_code}")
        assert answer.exit_code == expected, self.tell(f"expected exit {expected}\n{answer.said[-2000:]}")
        return expected

    def compare(self) -> None:
        """Compare every table with what a person could have known."""
        assert_same(bars_told(self.home), bars_expected(self.reference), self)
        if any(rules.kind == "texts" for rules in self.world.feeds):
            assert_same(texts_told(self.home), texts_expected(self.reference), self)
        assert_same(refusals_told(self.home), refusals_expected(self.reference), self)

    def tell(self, why: str) -> str:
        """Return all that a person needs in order to follow a world that went wrong."""
        files = [
            f"{one.written_at:%Y-%m-%d %H:%M:%S} {one.feed}/{one.name}: {len(one.records)} records"
            for one in sorted(self.world.deliveries, key=lambda one: one.written_at)
        ]
        feeds = [
            f"{one.name}: {'stamped' if one.stamped else 'plain'}, {one.stamps_from}"
            for one in self.world.feeds
        ]
        return "\n".join([why, f"seed {self.world.seed}: {self.world.scenes}", *feeds, *files, *self.diary])


def instants(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Return the frame with columns of written instants read."""
    form = "%Y-%m-%dT%H:%M:%S%.6f%z"
    return frame.with_columns(
        pl.col(name).str.to_datetime(form, time_unit="us", time_zone="UTC") for name in names
    )


def bars_told(home: Home) -> set[tuple[object, ...]]:
    """Return the rows of silver.bars as a set."""
    frame = home.show("silver.bars")
    if frame.is_empty():
        return set()
    chosen = instants(frame, "known_at").select(
        "source", "symbol", "session", "known_at", "known_by", "valid", "suspect",
        *(pl.col(price).cast(pl.Float64) for price in PRICES),
    )  # fmt: skip
    rows = chosen.rows()
    assert len(rows) == len(set(rows)), "silver.bars says a thing twice"
    return set(rows)


def bars_expected(reference: Reference) -> set[tuple[object, ...]]:
    """Return what silver.bars should hold."""
    return {(*head(one), "true", "false", *map(float, one.values)) for one in reference.versions()}


def texts_told(home: Home) -> set[tuple[object, ...]]:
    """Return the rows of silver.text as a set."""
    frame = home.show("silver.text")
    if frame.is_empty():
        return set()
    chosen = instants(frame, "known_at").select("source", "symbol", "session", "known_at", "known_by", "text")
    return set(chosen.rows())


def texts_expected(reference: Reference) -> set[tuple[object, ...]]:
    """Return what silver.text should hold."""
    return {(*head(one), one.values[1]) for one in reference.texts()}


def head(one: Version) -> tuple[object, ...]:
    """Return what bars and texts have in common."""
    return one.source, one.symbol, str(one.session), one.known_at, one.known_by


def refusals_told(home: Home) -> set[tuple[object, ...]]:
    """Return what was refused for its stamp or its date; each record must have been reported once."""
    frame = home.show("ops.quarantine")
    if frame.is_empty():
        return set()
    rows = (
        frame.filter(pl.col("rule").is_in(list(STAMP_RULES)))
        .select("source", "kind", "symbol", "rule")
        .rows()
    )
    return set(rows)


def refusals_expected(reference: Reference) -> set[tuple[object, ...]]:
    """Return what should be refused for its stamp or its date."""
    return {(one.source, one.kind, one.symbol, one.rule) for one in reference.refusals() if _of_time(one)}


def _of_time(refusal: Refusal) -> bool:
    return refusal.rule in STAMP_RULES


def assert_same(told: set[tuple[object, ...]], expected: set[tuple[object, ...]], play: Play) -> None:
    """Compare two sets of rows; a difference is told with the world that it came about in."""
    if told == expected:
        return
    extra = sorted(map(str, told - expected))[:12]
    lacking = sorted(map(str, expected - told))[:12]
    message = "\n".join(["only in the table:", *extra, "only in the reference:", *lacking])
    raise AssertionError(play.tell(message))
