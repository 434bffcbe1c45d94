"""What happened to the units of prices at a session: announced splits and dividends, and seams, weighed.

A seam, which prices themselves have shown, stands before an announcement. An announced split counts at once
for raw prices, unless they go on as if there had been none; for prices that a vendor should have restated it
counts while they jump by it all the same.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import polars as pl

from pipelines.tables.version_chains import drop_repeated_states

KEY = ("source", "symbol", "session")
PLACE = ("source", "symbol", "position")
NEUTRAL = {"split": 1.0, "dividend": 0.0}
"""What a kind of action says when there is none, or none any more."""
LEAST_SPLIT = math.log(1.5)
"""A smaller split cannot be told from a move of the market."""
UNMOVED = math.log(1.1)
"""Log move within which prices went on as if there had been no split."""
REACH = 20
"""Bars on either side of a split among which its move is looked for."""
_CHAIN = (*KEY, "position", "event_timestamp", "kind", "value", "valid", "known_at",
          "delivered_at", "delivery", "record_hash")  # fmt: skip

Place = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What was known of something, from when on: `states` as of the same places of `instants`, ascending."""

    instants: Sequence[datetime]
    states: Sequence[Any]

    def at(self, instant: datetime) -> Any:
        """Return the state known at `instant`, None before the first."""
        place = bisect_right(self.instants, instant) - 1
        return self.states[place] if place >= 0 else None


NOTHING = Timeline((), ())
Near = Sequence[tuple[int, Timeline]]
"""Places of sessions and their closes, the nearest first."""


def timelines(rows: pl.DataFrame, key: Sequence[str], state: str | Sequence[str]) -> dict[Any, Timeline]:
    """Return the timelines of each key's rows; a state of several columns is a dictionary."""
    one = isinstance(state, str)
    ordered = rows.sort("known_at")
    found: dict[Any, tuple[list[datetime], list[Any]]] = {}
    keys = ordered.select(key).rows()
    states: Iterable[Any] = ordered[state] if one else ordered.select(state).iter_rows(named=True)
    for place, instant, told in zip(keys, ordered["known_at"], states, strict=True):
        instants, values = found.setdefault(place, ([], []))
        instants.append(instant)
        values.append(told)
    return {place: Timeline(instants, values) for place, (instants, values) in found.items()}


def announced_chains(announced: pl.DataFrame, feed: pl.DataFrame) -> pl.DataFrame:
    """Return the versions of the splits and dividends that rows of bars and a feed of actions tell, `_CHAIN`.

    From when the feed first speaks of an action it alone is heard; before that the rows are, since what a
    cut has seen must not change. An announcement taken back is a version with a null and ``valid=false``.

    Parameters
    ----------
    announced : polars.DataFrame
        See `pipelines.stages.curate.records.ReadBars`.
    feed : polars.DataFrame
        As for `action_chains`.
    """
    said = [
        announced.filter(pl.col(kind).is_not_null()).with_columns(kind=pl.lit(kind), value=pl.col(kind))
        for kind in NEUTRAL
    ]
    action = [*KEY, "kind"]
    heard = feed.group_by(action).agg(pl.col("known_at").min().alias("heard_at"))
    before = pl.col("heard_at").is_null() | (pl.col("known_at") < pl.col("heard_at"))
    rows = pl.concat(said).join(heard, on=action, how="left").filter(before)
    return action_chains(pl.concat([rows.select(feed.columns), feed]))


def action_chains(said: pl.DataFrame) -> pl.DataFrame:
    """Return the versions of actions from all that was said of them, `_CHAIN`; a neutral value withdraws.

    Parameters
    ----------
    said : polars.DataFrame
        `source`, `symbol`, `session`, `position`, `event_timestamp`, `kind`, `value`, `known_at`, `said_at`,
        `delivery`, `record_hash`.
    """
    neutral = pl.col("kind").replace_strict(list(NEUTRAL), list(NEUTRAL.values()), return_dtype=pl.Float64)
    there = pl.col("value") != neutral
    key = (*KEY, "kind")
    last = said.sort(*key, "known_at", "said_at", "delivery", "record_hash").unique(
        [*key, "known_at"], keep="last", maintain_order=True
    )
    told = last.with_columns(
        valid=there, value=pl.when(there).then(pl.col("value")), delivered_at=pl.col("said_at")
    )
    ever = pl.col("valid").cum_max().over(*key, order_by="known_at")
    return drop_repeated_states(told.filter(ever), key, ("value", "valid")).select(_CHAIN)


@dataclass(frozen=True, slots=True)
class Units:
    """Changes of units as they were known.

    Attributes
    ----------
    actions : polars.DataFrame
        Rows as in `silver.actions`, without month: announcements, contradicted ones with ``valid=false`` from
        then on, and ``rebase`` where prices went over to other units otherwise.
    factors : mapping of (source, symbol, position) to Timeline
        Old price units in one new; a place that is absent has no change.
    """

    actions: pl.DataFrame
    factors: Mapping[Place, Timeline]


def weigh(
    chains: pl.DataFrame, seams: pl.DataFrame, accepted: pl.DataFrame, price_basis: Mapping[str, str]
) -> Units:
    """Return what is made of announcements and seams.

    Parameters
    ----------
    chains : polars.DataFrame
        From `action_chains`.
    seams : polars.DataFrame
        From `pipelines.stages.curate.records.seam_rows`.
    accepted : polars.DataFrame
        Bars in the units in which they stand; see `pipelines.stages.curate.records.ReadBars`.
    price_basis : mapping of source to {"raw", "split", "total_return"}

    Returns
    -------
    Units
        A seam stands before an announcement of its session, as of every instant at which either was known.
    """
    splits = chains.filter(pl.col("kind") == "split")
    rest = chains.filter(pl.col("kind") != "split")
    told = timelines(splits, PLACE, splits.columns)
    shown = timelines(seams, PLACE, seams.columns)
    bars = _closes(accepted, splits.select("source", "symbol").unique())
    alone = [line for place, line in shown.items() if place not in told]
    rebased: list[dict[str, Any]] = [{**row, "kind": "rebase"} for line in alone for row in line.states]
    factors = {place: _values(line) for place, line in shown.items()}
    changed = defaultdict[Any, list[tuple[int, Timeline]]](list)
    for (source, symbol, position), line in factors.items():
        changed[source, symbol].append((position, line))
    kept: list[dict[str, Any]] = []
    for place, line in told.items():
        raw = price_basis.get(place[0]) == "raw"
        there, before = bars.around(place)
        others = [other for other in changed[place[:2]] if other[0] != place[2]]
        judged = _Split(line, shown.get(place, NOTHING), there, before, others, raw)
        kept += judged.announced()
        rebased += judged.rebased()
        factors[place] = judged.factor()
    schema: dict[str, Any] = {**chains.schema, "share_value": pl.Float64}
    new = [pl.DataFrame(part, schema=schema) for part in (kept, rebased)]
    actions = pl.concat([rest.with_columns(share_value=pl.lit(None, pl.Float64)).select(list(schema)), *new])
    # Which delivery has told of it matters where later ones are read through it, and nowhere else.
    is_rebase = pl.col("kind") == "rebase"
    actions = actions.with_columns(
        pl.when(is_rebase).then(name).alias(name) for name in ("delivery", "delivered_at")
    )
    # A restatement that says what an announcement said before is news all the same: from its delivery on.
    state = ("value", "share_value", "valid", "delivery")
    return Units(drop_repeated_states(actions, (*KEY, "kind"), state), factors)


def _values(line: Timeline) -> Timeline:
    return Timeline(line.instants, [row["value"] if row["valid"] else 1.0 for row in line.states])


@dataclass(frozen=True, slots=True)
class _Closes:
    """Closes of some symbols by place, and the places of each symbol."""

    lines: Mapping[Place, Timeline]
    places: Mapping[tuple[str, str], Sequence[int]]

    def around(self, place: Place) -> tuple[Near, Near]:
        """Return the closes at or after a place, and those before it: a few bars each, the nearest first.

        The nearest may come late: before it was there the next one told.
        """
        source, symbol, position = place
        places = self.places.get((source, symbol), ())
        # A split on a session without a bar shows at the next one.
        after = bisect_right(places, position - 1)
        there, before = places[after : after + REACH], places[max(after - REACH, 0) : after][::-1]
        return self._closes(source, symbol, there), self._closes(source, symbol, before)

    def _closes(self, source: str, symbol: str, places: Sequence[int]) -> Near:
        return [(place, self.lines[source, symbol, place]) for place in places]


def _closes(accepted: pl.DataFrame, symbols: pl.DataFrame) -> _Closes:
    own = accepted.join(symbols, on=["source", "symbol"], how="semi")
    places = own.group_by("source", "symbol").agg(pl.col("position").unique().sort())
    return _Closes(
        timelines(own, PLACE, "close"),
        {(source, symbol): list(found) for source, symbol, found in places.iter_rows()},
    )


def _known_closes(near: Near, instant: datetime) -> Iterator[tuple[int, float]]:
    """Yield place and close of the bars that were there at an instant, the nearest first."""
    known = ((place, line.at(instant)) for place, line in near)
    return ((place, close) for place, close in known if close is not None)


def _jumped(moves: Sequence[float], split: float) -> bool:
    """Tell whether prices moved by a split: nearer to the whole of it than to none.

    The next session is asked where the first one moved otherwise, since its bar may be a bad tick.

    Parameters
    ----------
    moves : sequence of float
        Log returns from the close before to the first closes after, the nearest first.
    split : float
        Log of new shares for one old: prices that follow it move by its negative.
    """
    for move in moves:
        if abs(move + split) <= abs(split) / 2:
            return True
        if abs(move) <= UNMOVED:
            return False
    return False


@dataclass(frozen=True, slots=True)
class _Split:
    """One announced split beside the seam and the closes around its session.

    `others` are the changes of units that prices have shown at other places.
    """

    told: Timeline
    shown: Timeline
    there: Near
    before: Near
    others: Near
    raw: bool

    def _instants(self) -> list[datetime]:
        near = [line for _, line in (*self.there, *self.before, *self.others)]
        return sorted({instant for line in (self.told, self.shown, *near) for instant in line.instants})

    def _moves(self, instant: datetime) -> list[float]:
        """Return the log moves over the split's session to its bar and to the next one, as far as known.

        What changed their units at another place is taken out.
        """
        before = next(_known_closes(self.before, instant), None)
        if before is None:
            return []
        moves = []
        for place, close in islice(_known_closes(self.there, instant), 2):
            between = [line for other, line in self.others if before[0] < other <= place]
            units = sum(math.log(line.at(instant) or 1.0) for line in between)
            moves.append(math.log(close / before[1]) + units)
        return moves

    def _state(self, instant: datetime) -> tuple[dict[str, Any] | None, dict[str, Any] | None, float]:
        """Return announcement, rebase and factor as they stand at an instant."""
        told, shown = self.told.at(instant), self.shown.at(instant)
        ratio = told["value"] if told and told["valid"] else None
        if shown and shown["valid"]:
            return told, shown, shown["value"]
        if ratio is None:
            return told, shown, 1.0
        moves = self._moves(instant) if abs(math.log(ratio)) >= LEAST_SPLIT - 1e-9 else []
        if self.raw:
            contradicted = bool(moves) and abs(moves[0]) <= UNMOVED
            return ({**told, "valid": False} if contradicted else told), shown, 1.0 if contradicted else ratio
        if not _jumped(moves, math.log(ratio)):
            return told, shown, 1.0
        # Not by a delivery: what comes later is not read through it.
        shown = {**told, "share_value": ratio, "delivery": None, "delivered_at": None}
        return told, shown, ratio

    def announced(self) -> list[dict[str, Any]]:
        """Return the announcement's versions."""
        states = [(instant, self._state(instant)[0]) for instant in self._instants()]
        return [{**told, "known_at": instant} for instant, told in states if told is not None]

    def rebased(self) -> list[dict[str, Any]]:
        """Return the versions of the change of units, from the first one on."""
        rows: list[dict[str, Any]] = []
        none = dict.fromkeys(("value", "share_value", "delivery", "delivered_at")) | {"valid": False}
        for instant in self._instants():
            shown = self._state(instant)[1]
            if shown is None and not rows:
                continue
            # From its first version on a change of units that is gone again is a version too.
            row = shown if shown is not None else {**rows[-1], **none}
            rows.append({**row, "record_hash": None, "kind": "rebase", "known_at": instant})
        return rows

    def factor(self) -> Timeline:
        """Return the change of units as it was known."""
        instants = self._instants()
        return Timeline(instants, [self._state(instant)[2] for instant in instants])
