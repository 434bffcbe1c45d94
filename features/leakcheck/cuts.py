"""Where to cut: the sessions around which a leak may show that shows nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from features.leakcheck.value_grid import AT, WHO, Flags, Grid, Integers

EARLY = (1, 4, 21, 62)
"""Positions in the warm-up of usual windows: a few days, a month, a quarter."""
EXTREME = 5
"""Largest and smallest returns of a symbol that count as events."""
NEVER = 10**9
"""A cut behind every session: nothing of the symbol is touched."""


def mark_events(placed: pl.DataFrame, grid: Grid) -> dict[str, Flags]:
    """Return where what happens: by kind of event, flags of shape (n_symbols, n_sessions).

    Parameters
    ----------
    placed : polars.DataFrame
        Placed rows; kinds whose columns are absent are left out.
    """
    there = grid.present(placed)
    before, after = _moved(there, 1), _moved(there, -1)
    events = {
        "listing": there & ~np.maximum.accumulate(before, axis=1),
        "delisting": there & ~np.maximum.accumulate(after[:, ::-1], axis=1)[:, ::-1],
    }
    events["before gap"] = there & ~after & ~events["delisting"]
    events["after gap"] = there & ~before & ~events["listing"]
    events["before halt"] = events["before gap"] & ~_moved(there, -2) & ~_moved(there, -3)
    if "close" in placed.columns:
        moves = _moves(placed, grid)
        events["flat"] = moves == 0.0
        events["extreme"] = _extremes(moves)
        events["market"] = there & _extremes(_common_moves(moves))
    conditions = {
        "split": pl.col("split") != 1.0,
        "dividend": pl.col("dividend") != 0.0,
        "volume": pl.col("volume") == 0.0,
        "valid": ~pl.col("valid"),
        "record": pl.col("record") != "bar",
    }
    for name, condition in conditions.items():
        if name in placed.columns:
            events[name] = grid.present(placed.filter(condition))
    for period in ("1w", "1mo"):
        events[period] = there & _period_ends(grid, period)
    return {kind: flags for kind, flags in events.items() if flags.any()}


def plain_cuts(events: dict[str, Flags], grid: Grid, random: np.random.Generator, count: int) -> list[int]:
    """Return positions of sessions after which everything is future: early, late, around events, and others.

    A value that reads other symbols is tried at these alone. Who looks ahead on the 13th, on Wednesdays or in
    May is found by a cut on such a day: of all events of a kind, and of all sessions, those are taken whose
    places in the calendar no cut has yet.

    Returns
    -------
    list of int
        At most `count`, ascending, none of them the last session.
    """
    last = grid.shape[1] - 2
    happens = [np.flatnonzero(events[kind].any(axis=0)) for kind in sorted(events)]
    anywhere = np.arange(last + 1)
    pools = [
        *(np.array([at]) for at in (last, *EARLY[:2], last - 1)),
        *happens,
        *(np.array([at]) for at in EARLY[2:]),
        *[anywhere] * 4,
        *(at - 1 for at in happens),
        *[anywhere] * count,
    ]
    chosen: list[int] = []
    seen: set[tuple[str, int]] = set()
    places = _calendar_places(grid)
    for pool in pools:
        open_ = [int(at) for at in random.permutation(pool) if 0 <= at <= last and at not in chosen]
        if open_ and len(chosen) < count:
            at = max(open_, key=lambda one: len(places[one] - seen))
            chosen.append(at)
            seen |= places[at]
    return sorted(chosen)


def _calendar_places(grid: Grid) -> list[set[tuple[str, int]]]:
    """Return of each session its day of the month, day of the week and month."""
    dates = grid.sessions.dt
    parts = {"day": dates.day(), "weekday": dates.weekday(), "month": dates.month()}
    columns = [[(name, value) for value in values.to_list()] for name, values in parts.items()]
    return [set(place) for place in zip(*columns, strict=True)]


def symbol_cuts(
    events: dict[str, Flags], grid: Grid, random: np.random.Generator, count: int
) -> Iterator[Integers]:
    """Yield `count` times a cut for each symbol, around its own events, of each kind in its turn."""
    places = [_own_places(events, symbol, random) for symbol in range(grid.shape[0])]
    for turn in range(count):
        yield np.array([own[turn % len(own)] if own else NEVER for own in places], dtype=np.int64)


def _own_places(events: dict[str, Flags], symbol: int, random: np.random.Generator) -> list[int]:
    """Return the cuts of one symbol: kinds by turns, at the event and before it, and sessions of no kind."""
    last = events["listing"].shape[1] - 2
    kinds = [_around(flags[symbol], random) for flags in events.values()]
    kinds.append(random.permutation(last + 1)[:20].tolist())
    kinds = [kinds[number] for number in random.permutation(len(kinds)) if kinds[number]]
    longest = max((len(kind) for kind in kinds), default=0)
    turns = [kind[turn] for turn in range(longest) for kind in kinds if turn < len(kind)]
    return list(dict.fromkeys(at for at in turns if 0 <= at <= last))


def _around(flags: Flags, random: np.random.Generator) -> list[int]:
    at = random.permutation(np.flatnonzero(flags))
    steps = random.permutation([0, -1, 1, 0, -2])
    return [int(one) + int(steps[number % len(steps)]) for number, one in enumerate(at)]


def _moved(flags: Flags, by: int) -> Flags:
    """Return the flags of the session `by` before (after, if negative)."""
    moved = np.zeros_like(flags)
    if by > 0:
        moved[:, by:] = flags[:, :-by]
    else:
        moved[:, :by] = flags[:, -by:]
    return moved


def _moves(placed: pl.DataFrame, grid: Grid) -> np.ndarray:
    """Return the change of log close since the symbol's row before, NaN where there is none."""
    close = placed.drop_nulls("close").filter(pl.col("close") > 0).sort(WHO, AT)
    moves = close.select(WHO, AT, move=pl.col("close").log().diff().over(WHO)).drop_nulls()
    values = np.full(grid.shape, np.nan)
    values[moves[WHO].to_numpy(), moves[AT].to_numpy()] = moves["move"].to_numpy()
    return values


def _extremes(moves: np.ndarray) -> Flags:
    ranks = np.argsort(np.argsort(np.nan_to_num(np.abs(moves), nan=-1.0), axis=1), axis=1)
    flags: Flags = (ranks >= moves.shape[1] - EXTREME) & np.isfinite(moves)
    return flags


def _common_moves(moves: np.ndarray) -> np.ndarray:
    """Return the mean move of each session, shape (1, n_sessions)."""
    known = np.isfinite(moves)
    total = np.where(known, moves, 0.0).sum(axis=0, keepdims=True)
    common: np.ndarray = total / np.maximum(known.sum(axis=0, keepdims=True), 1)
    return common


def _period_ends(grid: Grid, period: str) -> Flags:
    """Return the sessions that end a week or a month, shape (1, n_sessions)."""
    periods = grid.sessions.dt.truncate(period)
    flags: Flags = (periods != periods.shift(-1)).fill_null(value=True).to_numpy()[None, :]
    return flags
