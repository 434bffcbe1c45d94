"""When a session's values have to be evaluated, and with which view of the past.

A session t is evaluated at its own cut and again at every later cut before which something in its
look-back changed. Sessions that stand the same at one instant share its view, so a healthy history is
evaluated in one go.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import polars as pl

from pipelines.tables.session_grid import SessionGrid


def late_events(rows: pl.DataFrame, grid: SessionGrid) -> list[tuple[int, datetime]]:
    """Return (position, cut) of everything that came after its own session's cut.

    Parameters
    ----------
    rows : polars.DataFrame
        `position`, `cutoff_at` and `known_at` (UTC instants) of every version; more columns may follow.
    grid : SessionGrid
        Reaches beyond the newest `known_at`, so that each of them has a cut after it.

    Returns
    -------
    list of (int, datetime)
        Position of the row's session and the first cut at or after `known_at`, each pair once,
        ascending.
    """
    # What becomes known at the very instant of a cut counts for it, here as in `as_of`: late is strictly
    # later than the own cut, and forward includes a cut of the same instant.
    cuts = grid.frame.select(pl.col("cutoff_at").alias("evaluated_at")).sort("evaluated_at")
    late = (
        rows.filter(pl.col("known_at") > pl.col("cutoff_at")).select("position", "known_at").sort("known_at")
    )
    met = late.join_asof(cuts, left_on="known_at", right_on="evaluated_at", strategy="forward")
    return met.select("position", "evaluated_at").unique().sort("position", "evaluated_at").rows()


def plan_evaluations(
    touched: Mapping[int, datetime],
    late: Sequence[tuple[int, datetime]],
    *,
    cuts: Sequence[datetime],
    lookback: int,
) -> list[tuple[datetime, dict[int, datetime]]]:
    """Return which sessions are evaluated with the view of which instant.

    What a session is at one cut it stays until the next one before which something in its look-back changed.
    A view of any instant between the two gives the same values, so that one view serves many sessions.

    Parameters
    ----------
    touched : mapping of position to cut
        The sessions whose chains are wanted.
    late : sequence of (position, cut)
        See `late_events`.
    cuts : sequence of datetime
        Of all sessions, ascending.
    lookback : int
        Sessions that a value reads, its own included.

    Returns
    -------
    list of (datetime, {position: datetime})
        View instants, ascending; of each the sessions to evaluate with it, and the cut that the values
        stand for.
    """
    places = [place for place, _ in late]
    passing: list[tuple[datetime, datetime, int]] = []
    lasting: dict[int, datetime] = {}
    for position, cut in touched.items():
        reached = slice(bisect_right(places, position - lookback), bisect_right(places, position))
        starts = [cut, *sorted({at for _, at in late[reached] if at > cut})]
        for start, end in pairwise(starts):
            passing.append((cuts[bisect_left(cuts, end) - 1], start, position))
        lasting[position] = starts[-1]
    plan: dict[datetime, dict[int, datetime]] = {}
    # The one that changes first has to be seen by then: whatever else stands at that instant is seen with it.
    instant = None
    for until, start, position in sorted(passing):
        if instant is None or start > instant:
            instant = until
        plan.setdefault(instant, {})[position] = start
    if lasting:
        plan.setdefault(max(lasting.values()), {}).update(lasting)
    return sorted(plan.items())


def split_far_sessions(members: Mapping[int, datetime], *, lookback: int) -> list[dict[int, datetime]]:
    """Return sessions by runs: more than a look-back apart they cost less apart."""
    runs: list[dict[int, datetime]] = []
    last = None
    for position in sorted(members):
        if last is None or position - last > lookback:
            runs.append({})
        runs[-1][position] = members[position]
        last = position
    return runs


def as_of(rows: pl.DataFrame, key: Sequence[str], instant: datetime) -> pl.DataFrame:
    """Return the newest version of each key known at an instant.

    Parameters
    ----------
    rows : polars.DataFrame
        Versions with `known_at`, from `sort_versions`: the last row of a key is its newest.
    instant : datetime
        UTC; what becomes known at it is included.

    Returns
    -------
    polars.DataFrame
        At most one row a key, in the given order; a retracted version too, whose `valid` is false.
    """
    known = rows.filter(pl.col("known_at") <= instant)
    # In this order the newest of a key is followed by another key: no key has to be looked up.
    last = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in key)
    return known.filter(last | (pl.int_range(pl.len()) == pl.len() - 1))


def sort_versions(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Return versions in the order that `as_of` relies on: by key, then by when they were known."""
    return rows.sort(*key, "known_at")


def evaluate_chains(
    rows: pl.DataFrame,
    *,
    key: Sequence[str],
    touched: Mapping[int, datetime],
    grid: SessionGrid,
    lookback: int,
    evaluate: Callable[[pl.DataFrame, int, int], pl.DataFrame],
) -> pl.DataFrame | None:
    """Return every evaluation of the touched sessions, with the `evaluated_at` that each stands for.

    Parameters
    ----------
    rows : polars.DataFrame
        Placed versions of all sessions that the touched ones look back to, from `sort_versions`; more may
        be among them.
    key : sequence of str
        Columns that name what the versions are of.
    touched : mapping of position to cut
        The sessions whose chains are wanted.
    lookback : int
        Sessions that a value reads, its own included.
    evaluate : callable
        ``evaluate(view, first, last)`` returns rows with `position` for the sessions `first` to
        `last`, computed from a view that starts `lookback` - 1 sessions before `first`.

    Returns
    -------
    polars.DataFrame or None
        What `evaluate` returns, with `evaluated_at`; several rows of one session where its past changed
        later, equal ones among them. None where nothing is to be evaluated.
    """
    if not touched:
        return None
    reached = pl.col("position").is_between(min(touched) - lookback + 1, max(touched))
    ordered = rows.filter(reached)
    plan = plan_evaluations(
        touched, late_events(ordered, grid), cuts=grid.frame["cutoff_at"].to_list(), lookback=lookback
    )
    runs = [(instant, run) for instant, every in plan for run in split_far_sessions(every, lookback=lookback)]
    results = []
    for instant, members in runs:
        first, last = min(members), max(members)
        near = ordered.filter(pl.col("position").is_between(first - lookback + 1, last))
        values = evaluate(as_of(near, key, instant), first, last)
        # Sessions between the members were computed along the way; this view does not speak for them.
        stands_for = pl.DataFrame(
            {"position": list(members), "evaluated_at": list(members.values())},
            schema={"position": pl.Int64, "evaluated_at": grid.frame.schema["cutoff_at"]},
        )
        results.append(values.join(stands_for, on="position", how="inner", maintain_order="left"))
    return pl.concat(results) if results else None


def split_chains(evaluated: pl.DataFrame, key: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of keys that were evaluated once, and those of keys that were evaluated again.

    Nearly all are of the first kind, and need no comparison with the evaluation before.
    """
    again = pl.struct(key).is_duplicated()
    marks = evaluated.select(again.alias("again"))["again"]
    if not marks.any():
        return evaluated, evaluated.clear()
    return evaluated.filter(~marks), evaluated.filter(marks)


def latest_known(
    view: pl.DataFrame, grid: SessionGrid, first: int, last: int, *, lookback: int
) -> pl.DataFrame:
    """Return when the last input of each session's values was known.

    Parameters
    ----------
    view : polars.DataFrame
        `position` and `known_at` of the versions that the values are computed from.
    first, last : int
        Positions wanted.

    Returns
    -------
    polars.DataFrame, shape (last - first + 1, 2)
        `position` and `inputs_known_at`, the latest `known_at` of the `lookback` sessions that end with it;
        null where these have no row.
    """
    newest = view.group_by("position").agg(pl.col("known_at").max())
    span = grid.between(first - lookback + 1, last).select("position")
    filled = span.join(newest, on="position", how="left").sort("position")
    # Sessions without any row stay in the span as nulls: the look-back counts sessions, not rows.
    rolled = pl.col("known_at").to_physical().rolling_max(lookback, min_samples=1)
    return filled.select("position", rolled.cast(view.schema["known_at"]).alias("inputs_known_at")).filter(
        pl.col("position") >= first
    )
