"""A small home that reads bars from a file of the test's own making, and what the stages report of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from pipelines.app.runner import open_context, run_stage
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport
from pipelines.base.table import TableContract
from tests.pipelines.synthetic_gold import CALENDAR

FIRST = date(2024, 1, 2)
DAYS = CALENDAR.sessions(FIRST, CALENDAR.shift(FIRST, 11))
SYMBOLS = ("AAA", "BBB", "CCC")
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


def make_bars() -> pl.DataFrame:
    """Twelve sessions of three symbols, each closing one higher than the day before."""
    rows = [
        {"symbol": symbol, "session": str(day), "open": level, "high": level + 2.0, "low": level - 1.0,
         "close": level + 1.0, "volume": 1000.0 * (place + 1)}
        for place, symbol in enumerate(SYMBOLS)
        for step, day in enumerate(DAYS)
        for level in [100.0 * (place + 1) + step]
    ]  # fmt: skip
    return pl.DataFrame(rows)


def open_files_home(folder: Path, bars: pl.DataFrame, *overrides: str) -> Context:
    """Write the bars beside the home and open it."""
    bars.write_csv(folder / "bars.csv")
    files = ["feeds.bars=files", "feeds.texts=files", f"sources.files.bars={folder / 'bars.csv'}"]
    settings, _ = load_settings(overrides=[*files, "ingest.max_refused_share=0.9", *overrides])
    return open_context(settings, folder / "home", clock=lambda: NOW)


def run(context: Context, stage: str, *, start: date = DAYS[0], end: date = DAYS[-1]) -> StageReport:
    """Run one stage over some of the sessions."""
    return run_stage(context, stage, SessionRange(start=start, end=end))


def rows(context: Context, contract: TableContract) -> pl.DataFrame:
    """All rows of a table."""
    return context.lake.collect_query(f"select * from {contract.alias}", contract)
