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
    """Judges one bar by its neighbours as they were known at an instant.

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
        return math.log(this["close"] * this["split"] / before["close"])

    def retracted(self, position: int, instant: datetime) -> bool:
        """Tell whether the bar is taken back by what is known at `instant`."""
        move, back = self._move(position, instant), self._move(position + 1, instant)
        if move is None or back is None or abs(move) < self.params.suspect_move:
            return False
        return abs(move + back) <= self.params.revert_share * abs(move)

    def suspect(self, position: int, instant: datetime) -> bool:
        """Tell whether the bar looks like a bad tick at `instant`."""
        move = self._move(position, instant)
        if move is None or abs(move) < self.params.suspect_move:
            return False
        return not self.retracted(position - 1, instant)

    def instants(self, position: int) -> list[datetime]:
        """Return when the judgement of a bar can change: its own records' and its neighbours' instants."""
        own = self.chains[position].instants
        near = (self.chains.get(position + step, EMPTY).instants for step in (-2, -1, 1))
        return sorted({*own, *(moment for moments in near for moment in moments if moment >= own[0])})


def suspect_bars(records: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the (symbol, position) whose move may be suspect under some pair of records.

    Parameters
    ----------
    records : polars.DataFrame
        `symbol`, `position` (index of the session in the calendar), `close`, `split`.
    """
    spread = records.group_by("symbol", "position").agg(
        (pl.col("close") * pl.col("split")).min().log().alias("low_in"),
        (pl.col("close") * pl.col("split")).max().log().alias("high_in"),
        pl.col("close").min().log().alias("low_out"),
        pl.col("close").max().log().alias("high_out"),
    )
    before = spread.select("symbol", pl.col("position") + 1, "low_out", "high_out")
    pairs = spread.drop("low_out", "high_out").join(before, on=["symbol", "position"], how="inner")
    largest = pl.max_horizontal(
        (pl.col("high_in") - pl.col("low_out")).abs(), (pl.col("low_in") - pl.col("high_out")).abs()
    )
    return pairs.filter(largest >= params.suspect_move).select("symbol", "position")


def judge_suspects(records: pl.DataFrame, suspects: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the judged versions of the suspects bars.

    Returns
    -------
    polars.DataFrame
        The records' columns with `known_at` of each judgement, `suspect` and `valid`.
    """
    rows: list[Record] = []
    for (symbol,), keys in suspects.group_by("symbol", maintain_order=True):
        near = sorted({p + step for p in keys["position"] for step in (-2, -1, 0, 1)})
        own = records.filter((pl.col("symbol") == symbol) & pl.col("position").is_in(near))
        judge = TickJudge(_chains(own), params)
        for position in sorted(keys["position"]):
            rows.extend(_judged(judge, position))
    flags = {"suspect": pl.Boolean, "valid": pl.Boolean}
    return pl.DataFrame(rows, schema={**records.schema, **flags}, orient="row")


def _chains(records: pl.DataFrame) -> dict[int, Chain]:
    chains = {}
    for (position,), rows in records.sort("known_at").group_by("position", maintain_order=True):
        chains[int(position)] = Chain(rows["known_at"].to_list(), rows.to_dicts())
    return chains


def _judged(judge: TickJudge, position: int) -> list[Record]:
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
