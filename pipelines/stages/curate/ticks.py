"""Suspected bad ticks: flagged when they arrive, retracted once the next bar has come back."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from pipelines.stages.curate.params import CurateParams

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """The records of one (symbol, session) in the order in which they became known."""

    instants: Sequence[datetime]
    records: Sequence[Record]

    def known(self, instant: datetime) -> Record | None:
        """Return the newest record known at `instant`."""
        at = bisect_right(self.instants, instant) - 1
        return self.records[at] if at >= 0 else None


EMPTY = Chain((), ())


@dataclass(frozen=True, slots=True)
class TickJudge:
    """Judges one bar of a symbol by its neighbours as they were known at an instant.

    A bar is suspect when its close has moved by more than `suspect_move` (log, split-adjusted)
    against the previous session's close. It is retracted when the next session's close leaves no
    more than `revert_share` of that move. A crash that does not come back is never retracted.
    """

    chains: Mapping[int, Chain]
    params: CurateParams

    def _at(self, position: int, instant: datetime) -> Record | None:
        return self.chains.get(position, EMPTY).known(instant)

    def _move(self, position: int, instant: datetime) -> float | None:
        before, this = self._at(position - 1, instant), self._at(position, instant)
        if before is None or this is None:
            return None
        # A split of 2 halves the raw close: times the split it is comparable with the session before.
        return math.log(this["close"] * this["split"] / before["close"])

    def retracted(self, position: int, instant: datetime) -> bool:
        """Tell whether the bar is taken back by what is known at `instant`."""
        move, back = self._move(position, instant), self._move(position + 1, instant)
        if move is None or back is None or abs(move) < self.params.suspect_move:
            return False
        # Logs add up: what is left of the move after the next session is their sum.
        return abs(move + back) <= self.params.revert_share * abs(move)

    def suspect(self, position: int, instant: datetime) -> bool:
        """Tell whether the bar looks like a bad tick at `instant`."""
        move = self._move(position, instant)
        if move is None or abs(move) < self.params.suspect_move:
            return False
        # The way back from a bad tick is as large as the tick; only the tick is suspect.
        return not self.retracted(position - 1, instant)

    def instants(self, position: int) -> list[datetime]:
        """Return when the judgement of a bar can change: its own records' and its neighbours' instants."""
        own = self.chains[position].instants
        # The bar's move reads the session before it and its reversal the one after; whether the one before
        # was a bad tick reads two back. Before the bar's own first record there is nothing to judge.
        near = (self.chains.get(position + step, EMPTY).instants for step in (-2, -1, 1))
        return sorted({*own, *(moment for moments in near for moment in moments if moment >= own[0])})


def suspect_bars(records: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the (symbol, position) whose move may be suspect under some pair of records.

    Parameters
    ----------
    records : polars.DataFrame
        `symbol`, `position` (index of the session in the calendar), `close`, `split`; every version, prices
        positive and without nulls.

    Returns
    -------
    polars.DataFrame
        `symbol`, `position`, each pair once. A bar that is left out is suspect at no instant, so the slow
        judgement bar by bar is spared for nearly all.
    """
    # "in" is the price to which a move leads, times the split of its session; "out" is where the next starts.
    spread = records.group_by("symbol", "position").agg(
        (pl.col("close") * pl.col("split")).min().log().alias("low_in"),
        (pl.col("close") * pl.col("split")).max().log().alias("high_in"),
        pl.col("close").min().log().alias("low_out"),
        pl.col("close").max().log().alias("high_out"),
    )
    before = spread.select("symbol", pl.col("position") + 1, "low_out", "high_out")
    pairs = spread.drop("low_out", "high_out").join(before, on=["symbol", "position"], how="inner")
    # A difference of logs is largest where its parts are at opposite extremes, whichever records met.
    largest = pl.max_horizontal(
        (pl.col("high_in") - pl.col("low_out")).abs(), (pl.col("low_in") - pl.col("high_out")).abs()
    )
    return pairs.filter(largest >= params.suspect_move).select("symbol", "position")


def judge_suspects(records: pl.DataFrame, suspects: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the judged versions of the suspect bars.

    Parameters
    ----------
    records : polars.DataFrame
        Accepted bars with `symbol`, `position`, `known_at` (UTC): every version of the suspects, and of two
        sessions before and one after each.
    suspects : polars.DataFrame
        From `suspect_bars`.

    Returns
    -------
    polars.DataFrame
        The records' columns with `known_at` of each judgement, `suspect` and `valid`: a row an instant at
        which the judgement can have changed, repeats included. Prices and volume are null while the bar is
        retracted (``valid=false``).
    """
    judged: list[Record] = []
    for (symbol,), keys in suspects.group_by("symbol", maintain_order=True):
        near = sorted({p + step for p in keys["position"] for step in (-2, -1, 0, 1)})
        own = records.filter((pl.col("symbol") == symbol) & pl.col("position").is_in(near))
        chains = {
            int(position): Chain(rows["known_at"].to_list(), rows.to_dicts())
            for (position,), rows in own.sort("known_at").group_by("position", maintain_order=True)
        }
        judge = TickJudge(chains, params)
        for position in sorted(keys["position"]):
            judged.extend(_judged(judge, position))
    flags = {"suspect": pl.Boolean, "valid": pl.Boolean}
    return pl.DataFrame(judged, schema={**records.schema, **flags}, orient="row")


def _judged(judge: TickJudge, position: int) -> list[Record]:
    """Return the record in force at each instant of a bar, as it was judged then."""
    rows = []
    for instant in judge.instants(position):
        record = judge.chains[position].known(instant)
        if record is None:
            continue
        taken_back = judge.retracted(position, instant)
        flags = {"suspect": judge.suspect(position, instant), "valid": not taken_back}
        blank = dict.fromkeys(("open", "high", "low", "close", "volume")) if taken_back else {}
        rows.append({**record, **blank, **flags, "known_at": instant})
    return rows
