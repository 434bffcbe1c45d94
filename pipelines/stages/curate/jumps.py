"""Jumps that look like a split nobody has told of: unexplained until told, shown to be none, or accepted."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from pipelines.stages.curate.seams import LEAST_OVERLAP
from pipelines.stages.curate.units import KEY, NOTHING, PLACE, Place, Timeline, timelines
from pipelines.tables.version_chains import drop_repeated_states

RATIOS = (
    1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0,
    12.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 50.0, 60.0, 75.0, 80.0, 100.0,
)  # fmt: skip
"""Simple split ratios; larger ones count as simple too."""
SHOWN_BY = 3
"""Later sessions whose deliveries must show no split before a jump counts as a move."""
BACK = 3
"""Bars before a session among which its last good one is looked for."""
AHEAD = 20
"""Bars after a session among which those are looked for that may show no split."""

TOLD = ("close", "said_at", "delivery", "overlap", "answered", "event_timestamp", "landed_at")
Asked = tuple[datetime, datetime, datetime]
"""After, until and since when it is known that a feed has been read for what lies between."""
Order = tuple[datetime, str]
"""Time and id of a delivery, by which deliveries follow one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpRules:
    """What counts as a jump, and what may tell that it is none.

    Attributes
    ----------
    tolerance : float
        Relative distance from a simple split ratio within which a move looks like a split.
    price_basis : mapping of source to basis
    asked : sequence of (after, until, known_at)
        What the feed of actions has been read for, by the session's close, and since when that is known.
    accepted : mapping of (source, symbol, position) to instants at which a person took it for a move
    """

    tolerance: float
    price_basis: Mapping[str, str]
    asked: Sequence[Asked]
    accepted: Mapping[Place, Sequence[datetime]]

    @property
    def least(self) -> float:
        """Smallest log move that may be a split."""
        return math.log(RATIOS[0] / (1 + self.tolerance))

    def asked_by(self, bar: Mapping[str, Any]) -> Iterator[datetime]:
        """Yield since when it is known that the feed of actions was read for a bar's session.

        What was read together with the bar, or before it, was as the bar itself.
        """
        close, landed_at = bar["event_timestamp"], bar["landed_at"]
        for after, until, known_at in self.asked:
            if after < close <= until:
                together = landed_at is not None and known_at <= landed_at
                yield datetime.min.replace(tzinfo=UTC) if together else known_at

    def looks_like_split(self, move: float) -> bool:
        """Tell whether a log move lies within the tolerance of a simple split ratio, in either direction."""
        size = abs(move)
        room = math.log1p(self.tolerance)
        return size > math.log(RATIOS[-1]) or any(abs(size - math.log(ratio)) <= room for ratio in RATIOS)


def unexplained_jumps(
    versions: pl.DataFrame, accepted: pl.DataFrame, factors: Mapping[Place, Timeline], rules: JumpRules
) -> pl.DataFrame:
    """Return the versions of the jumps that were unexplained for a while.

    Parameters
    ----------
    versions : polars.DataFrame
        Judged bars with `position`: whole chains, at least of the sessions around those wanted.
    accepted : polars.DataFrame
        The records that they were made of; see `pipelines.stages.curate.records.ReadBars`.
    factors : mapping of (source, symbol, position) to Timeline
        See `pipelines.stages.curate.units.Units`.
    rules : JumpRules

    Returns
    -------
    polars.DataFrame
        `source`, `symbol`, `session`, `position`, `event_timestamp`, `kind` ("jump"), `value` (ratio to the
        close before, in one unit), `valid` (true while unexplained), `known_at`.
    """
    candidates = _candidates(versions, factors, rules)
    own = candidates.select("source", "symbol").unique()
    bars = versions.join(own, on=["source", "symbol"], how="semi")
    closes = timelines(bars, PLACE, ("close", "valid"))
    first = accepted.join(own, on=["source", "symbol"], how="semi").sort("known_at", "said_at")
    told = timelines(first, PLACE, TOLD)
    places = {
        (source, symbol): list(found)
        for source, symbol, found in bars.group_by("source", "symbol")
        .agg(pl.col("position").unique().sort())
        .iter_rows()
    }
    rows = [
        row
        for source, symbol, position in candidates.iter_rows()
        for row in _Jump(
            (source, symbol, position), places[source, symbol], closes, told, factors, rules
        ).states()
    ]
    schema = dict.fromkeys(("source", "symbol"), pl.String) | {"position": pl.Int64, "kind": pl.String}
    schema |= {"value": pl.Float64, "valid": pl.Boolean, "known_at": versions.schema["known_at"]}  # type: ignore[dict-item]
    found = pl.DataFrame(rows, schema=schema)
    days = bars.select(*PLACE, "session", "event_timestamp").unique(PLACE)
    return drop_repeated_states(found.join(days, on=PLACE, how="inner"), KEY, ("valid",))


def _candidates(versions: pl.DataFrame, factors: Mapping[Place, Timeline], rules: JumpRules) -> pl.DataFrame:
    """Return the places at which any pair of versions, or a change of units, may make a jump."""
    spread = (
        versions.filter("valid")
        .group_by(PLACE)
        .agg(
            pl.col("close").min().log().alias("low"),
            pl.col("close").max().log().alias("high"),
            pl.col("known_at").min().alias("came"),
        )
        .sort(PLACE)
    )
    large = [
        place
        for place, line in factors.items()
        if any(abs(math.log(state)) >= rules.least for state in line.states)
    ]
    changed = pl.DataFrame(large, schema=spread.select(PLACE).schema, orient="row")
    # A bar that comes after later ones does not hide what those have shown without it.
    came = pl.col("came").cum_min(reverse=True).over("source", "symbol", order_by="position")
    in_time = spread.filter(pl.col("came") <= came)
    found = [part for bars in (spread, in_time) for part in (_moved(bars, rules), _next_bars(bars, changed))]
    return pl.concat(found).unique().sort(PLACE)


def _moved(spread: pl.DataFrame, rules: JumpRules) -> pl.DataFrame:
    """Return the places of the bars that may have moved as far as a split from one of those before them."""
    steps, feed = range(1, BACK + 1), ("source", "symbol")
    lowest = pl.min_horizontal(*(pl.col("low").shift(step).over(feed) for step in steps))
    highest = pl.max_horizontal(*(pl.col("high").shift(step).over(feed) for step in steps))
    moved = pl.max_horizontal(pl.col("high") - lowest, highest - pl.col("low"))
    return spread.filter(moved >= rules.least).select(PLACE)


def _next_bars(spread: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    """Return the places of the first bars at or after changes of units."""
    bars = spread.select(PLACE).sort("position").with_columns(at=pl.col("position"))
    met = changed.sort("position").join_asof(
        bars, on="position", by=["source", "symbol"], strategy="forward", check_sortedness=False
    )
    return met.drop_nulls("at").select("source", "symbol", pl.col("at").alias("position"))


@dataclass(frozen=True, slots=True)
class _Jump:
    """One session of one symbol, and all that tells what its move was."""

    place: Place
    places: Sequence[int]
    closes: Mapping[Place, Timeline]
    told: Mapping[Place, Timeline]
    factors: Mapping[Place, Timeline]
    rules: JumpRules

    def _near(self) -> list[int]:
        """Return the places of the bar and of those before it, back to the third that was there before it."""
        at = self.places.index(self.place[2])
        came = self._line(self.place[2]).instants[0]
        there, first = 0, at
        while first and there < BACK:
            first -= 1
            there += self._line(self.places[first]).instants[0] <= came
        return list(self.places[first : at + 1])

    def _line(self, position: int) -> Timeline:
        return self.closes.get((*self.place[:2], position), NOTHING)

    def _units(self, first: int, last: int) -> list[Timeline]:
        """Return the changes of units after the session `first` up to `last`."""
        feed = self.place[:2]
        found = (self.factors.get((*feed, place)) for place in range(first + 1, last + 1))
        return [line for line in found if line is not None]

    def _move(self, instant: datetime) -> tuple[int, float] | None:
        """Return the last good session before, and the log move from it in one unit."""
        *before, own = self._near()
        now = self._line(own).at(instant)
        if not now or not now["valid"]:
            return None
        for position in reversed(before):
            then = self._line(position).at(instant)
            if then and then["valid"]:
                units = sum(math.log(line.at(instant) or 1.0) for line in self._units(position, own))
                return position, math.log(now["close"] / then["close"]) + units
        return None

    def _said(self, position: int, instant: datetime) -> list[Mapping[str, Any]]:
        """Return the records of a session that were known at an instant, the newest last."""
        line = self.told.get((*self.place[:2], position), NOTHING)
        return list(line.states[: bisect_right(line.instants, instant)])

    @property
    def _raw(self) -> bool:
        return self.rules.price_basis.get(self.place[0]) == "raw"

    def _later(self) -> list[int]:
        at = self.places.index(self.place[2])
        return list(self.places[at + 1 : at + 1 + AHEAD])

    def _shown_none(self, before: int, instant: datetime) -> bool:
        """Tell whether three later sessions have come by an instant with deliveries that show no split."""
        own, past = (_in_force(self._said(place, instant)) for place in (self.place[2], before))
        if not own or not past:
            return False
        # Files that hold the jump with what lies on both sides of it were written when all that was over.
        together = {_order(one) for one in own} & {_order(one) for one in past}
        # The jump's own delivery shows nothing: the past may be restated with the next one only.
        since = min(map(_order, own))
        shown = 0
        for position in self._later():
            said = self._said(position, instant)
            shown += any(self._tells(one, together, since, instant) for one in said)
            if shown == SHOWN_BY:
                return True
        return False

    def _tells(
        self,
        later: Mapping[str, Any],
        together: Collection[Order],
        since: Order,
        instant: datetime,
    ) -> bool:
        """Tell whether a later bar's delivery shows that there was no split."""
        if self._raw:
            return bool(later["answered"]) or any(at <= instant for at in self.rules.asked_by(later))
        order = _order(later)
        return order in together or (order > since and (later["overlap"] or 0) >= LEAST_OVERLAP)

    def _pending(self, instant: datetime) -> float | None:
        """Return the log move of a jump that stands unexplained at an instant."""
        moved = self._move(instant)
        if moved is None or not self.rules.looks_like_split(moved[1]):
            return None
        if any(one <= instant for one in self.rules.accepted.get(self.place, ())):
            return None
        return None if self._shown_none(moved[0], instant) else moved[1]

    def states(self) -> Iterator[dict[str, Any]]:
        """Yield what was known of the jump, from when it was first unexplained."""
        near = self._near()
        lines = [self._line(position) for position in near] + self._units(near[0], near[-1])
        later = [self.told.get((*self.place[:2], position), NOTHING) for position in self._later()]
        instants = {instant for line in lines + later for instant in line.instants}
        if self._raw:
            instants |= {at for line in later for bar in line.states for at in self.rules.asked_by(bar)}
        ratio: float | None = None
        for instant in sorted(instants.union(self.rules.accepted.get(self.place, ()))):
            pending = self._pending(instant)
            if pending is not None:
                ratio = math.exp(pending)
            if ratio is not None:
                source, symbol, position = self.place
                yield {"source": source, "symbol": symbol, "position": position, "kind": "jump"} | {
                    "value": ratio, "valid": pending is not None, "known_at": instant,
                }  # fmt: skip


def _order(record: Mapping[str, Any]) -> Order:
    return record["said_at"], record["delivery"] or ""


def _in_force(said: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the records that say what the newest one says."""
    return [one for one in said if one["close"] == said[-1]["close"]]
