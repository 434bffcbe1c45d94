"""The bars of the battery, and one examination of one of its features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import polars as pl

from features.leakcheck.examination import Declared, examine
from features.leakcheck.probes import Limits
from features.leakcheck.verdicts import Examination
from simulation.eventful_bars import eventful_bars

FEW = Limits(plain=8, own=8, own_rows=6, starts=3, searches=10)
"""Fewer runs than the command spends: the battery's leaks are everywhere, the bars are few."""


@cache
def bars() -> pl.DataFrame:
    return eventful_bars(12, 140, 3)


def examine_case(
    function: Callable[[pl.DataFrame], pl.DataFrame],
    known: Mapping[str, Any] | None = None,
    lookback: Any = None,
) -> Examination:
    return examine(lambda: function, bars(), Declared(known=known or {}, lookback=lookback), limits=FEW)


def verdicts(examined: Examination) -> dict[str, str]:
    return {one.name: one.verdict for one in examined.features}
