"""The sessions of a person's own bars, through Spark, from a file of a few lines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from pipelines.base.context import Context
from pipelines.cli.demo_source import sessions_in_source

BARS = """symbol,date,open,high,low,close,volume
B,2016-06-29,1,2,1,1.5,10
A,2016-06-28,1,2,1,1.5,10
A,2016-06-29,1,2,1,1.5,10
A,2016-06-26,1,2,1,1.5,10
A,soon,1,2,1,1.5,10
A,2016-07-05,1,2,1,1.5,10
"""


def test_days_without_trading_broken_dates_and_the_future_are_left_out(
    open_empty: Callable[..., Context], tmp_path: Path
) -> None:
    (tmp_path / "bars.csv").write_text(BARS, encoding="utf-8")
    context = open_empty(
        tmp_path / "home", "feeds.bars=files", f'sources.files.bars="{tmp_path / "bars.csv"}"'
    )
    assert sessions_in_source(context) == [date(2016, 6, 28), date(2016, 6, 29)]
