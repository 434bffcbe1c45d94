"""Suspected bad ticks: flagged on arrival, retracted once the next bar is back where the last one was."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, Self

import polars as pl

from pipelines.stages.curate.params import CurateParams

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """The records of one (symbol, session) in the order in which they became known."""

    instants: Sequence[datetime]
    records: Sequence[Record]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """Return the chain of records that are sorted by `known_at`."""
        return cls([record["known_at"] for record in records], records)

    def known(self, instant: datetime) -> Record | None:
        """Return the newest record known at `instant`."""
        at = bisect_right(self.instants, instant) - 1
        return self.records[at] if at >= 0 else None


EMPTY = Chain((), ())
LEAST_SESSIONS = 5
"""Fewer known sessions before a bar have no usual turnover: the bar is judged by its prices alone.

The last so many are asked on their own too.
"""


def sessions_read(params: CurateParams) -> tuple[int, int]:
    """Return how many sessions before and after a bar its judgement reads.

    The bar before may be a tick itself, and is judged by the usual turnover before it. The other way round,
    a record that changes can change the judgements of as many sessions after it and before it.
    """
    return params.usual_sessions + 1, 1


@dataclass(frozen=True, slots=True)
class TickJudge:
    """Judges one bar of a symbol by the bars around it as they were known at an instant.

    A bar is suspect when its close has moved by `suspect_move` or more (log, in the unit of the session
    before) against the previous session's close. It is retracted when the next session opens and closes with
    no more than `revert_share` of that move left, unless heavy turnover speaks for a real move. A crash that
    does not come back is never retracted; nor is one at whose price the next session opens, since trades on
    both sides of the night confirm it.
    """

    chains: Mapping[int, Chain]
    params: CurateParams

    def _at(self, position: int, instant: datetime) -> Record | None:
        return self.chains.get(position, EMPTY).known(instant)

    def _move(self, position: int, instant: datetime, price: str = "close") -> float | None:
        before, this = self._at(position - 1, instant), self._at(position, instant)
        if before is None or this is None:
            return None
        # A split of 2 halves the raw close: times its unit it is comparable with the session before.
        return math.log(this[price] * this["unit"] / before["close"])

    def retracted(self, position: int, instant: datetime) -> bool:
        """Tell whether the bar is taken back by what is known at `instant`."""
        move = self._move(position, instant)
        if move is None or abs(move) < self.params.suspect_move:
            return False
        for price in ("open", "close"):
            back = self._move(position + 1, instant, price)
            # Logs add up: what is left of the move after the next session's open or close is their sum.
            if back is None or abs(move + back) > self.params.revert_share * abs(move):
                return False
        return not self._heavily_traded(position, instant)

    def _heavily_traded(self, position: int, instant: datetime) -> bool:
        """Tell whether turnover speaks for a real move; it does not where too little is known."""
        before, this = self._at(position - 1, instant), self._at(position, instant)
        usual = self._usual_turnover(position, instant)
        if before is None or this is None or not usual:
            return False
        # At the price of the session before, since the bar's own is what is in doubt.
        turnover = this["volume"] * before["close"] / this["unit"]
        return bool(turnover >= self.params.turnover_multiple * usual)

    def _usual_turnover(self, position: int, instant: datetime) -> float | None:
        """Return the median turnover, as known at `instant`, of the sessions before the bar.

        Of the last few alone where that is less. Close times volume has no unit: a split leaves it as it is.
        Where a vendor restates the past in price alone, it steps down at a reverse split, and only the
        sessions since then compare with the bar.
        """
        steps = range(1, self.params.usual_sessions + 1)
        known = (self._at(position - step, instant) for step in steps)
        turnovers = [record["close"] * record["volume"] for record in known if record is not None]
        if len(turnovers) < LEAST_SESSIONS:
            return None
        usual, recent = median(turnovers), median(turnovers[:LEAST_SESSIONS])
        # Of a symbol that is seldom traded the last few may say nothing at all.
        return float(min(usual, recent or usual))

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
        before, after = sessions_read(self.params)
        places = range(position - before, position + after + 1)
        near = (self.chains.get(place, EMPTY).instants for place in places)
        # Before the bar's own first record there is nothing to judge.
        return sorted({moment for moments in near for moment in moments if moment >= own[0]})


def suspect_bars(records: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the (symbol, position) whose move may be suspect under some pair of records.

    Parameters
    ----------
    records : polars.DataFrame
        `symbol`, `position` (index of the session in the calendar), `close` and `unit` (close × unit is
        comparable with the close of the session before), positive and without nulls; every version.

    Returns
    -------
    polars.DataFrame
        `symbol`, `position`, each pair once. A bar that is left out is suspect at no instant, so the slow
        judgement bar by bar is spared for nearly all.
    """
    # A move leads to "arriving", in the unit of the session before; the next one starts at "leaving".
    priced = records.select(
        "symbol",
        "position",
        arriving=(pl.col("close") * pl.col("unit")).log(),
        leaving=pl.col("close").log(),
    )
    spread = priced.group_by("symbol", "position").agg(
        pl.col("arriving").min().alias("low_in"),
        pl.col("arriving").max().alias("high_in"),
        pl.col("leaving").min().alias("low_out"),
        pl.col("leaving").max().alias("high_out"),
    )
    pairs = spread.sort("symbol", "position")
    same = pl.col("symbol") == pl.col("symbol").shift(1)
    follows = same & (pl.col("position") == pl.col("position").shift(1) + 1)
    # A difference of logs is largest where its parts are at opposite extremes, whichever records met.
    largest = pl.max_horizontal(
        pl.col("high_in") - pl.col("low_out").shift(1), pl.col("high_out").shift(1) - pl.col("low_in")
    )
    return pairs.filter(follows & (largest >= params.suspect_move)).select("symbol", "position")


def judge_suspects(records: pl.DataFrame, suspects: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the judged versions of the suspect bars.

    Parameters
    ----------
    records : polars.DataFrame
        Accepted bars with `symbol`, `position`, `known_at` (UTC), prices, `volume` (shares, may be zero) and
        `unit`: every version of the suspects, and of the sessions around each that `sessions_read` names.
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
    chains: dict[str, dict[int, list[Record]]] = {}
    for record in _near(records, suspects, params).iter_rows(named=True):
        chains.setdefault(record["symbol"], {}).setdefault(record["position"], []).append(record)
    keys = suspects.group_by("symbol", maintain_order=True).agg(pl.col("position").sort())
    for symbol, positions in keys.rows():
        judge = TickJudge({place: Chain.of(rows) for place, rows in chains[symbol].items()}, params)
        for position in positions:
            judged.extend(_judged(judge, position))
    flags = {"suspect": pl.Boolean, "valid": pl.Boolean}
    return pl.DataFrame(judged, schema={**records.schema, **flags}, orient="row")


def _near(records: pl.DataFrame, suspects: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the records that judge the suspects, in the order in which they became known."""
    before, after = sessions_read(params)
    steps = pl.DataFrame({"step": range(-before, after + 1)}, schema={"step": records.schema["position"]})
    places = suspects.join(steps, how="cross")
    near = places.select("symbol", pl.col("position") + pl.col("step")).unique()
    return records.join(near, on=["symbol", "position"], how="semi").sort("symbol", "position", "known_at")


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
