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
    """Write the bars into a folder beside the home and open it."""
    deliver(folder, bars)
    return reopen_files_home(folder, *overrides)


def reopen_files_home(folder: Path, *overrides: str) -> Context:
    """Open it as it lies there, under other settings."""
    files = ["feeds.bars=files", "feeds.texts=files", f"sources.files.bars={folder / 'drop'}"]
    settings, _ = load_settings(overrides=[*files, "ingest.max_refused_share=0.9", *overrides])
    return open_context(settings, folder / "home", clock=lambda: NOW)


def deliver(folder: Path, bars: pl.DataFrame, name: str = "bars.csv") -> None:
    """Write one delivery more."""
    drop = folder / "drop"
    drop.mkdir(exist_ok=True)
    bars.write_csv(drop / name)


def until(last: date) -> pl.DataFrame:
    """The bars up to a session."""
    return make_bars().filter(pl.col("session") <= str(last))


def run(context: Context, stage: str, *, start: date = DAYS[0], end: date = DAYS[-1]) -> StageReport:
    """Run one stage over some of the sessions: a history load where there are several."""
    return run_stage(context, stage, SessionRange(start=start, end=end, history=start < end))


def rows(context: Context, contract: TableContract) -> pl.DataFrame:
    """All rows of a table."""
    return context.lake.collect_query(f"select * from {contract.alias}", contract)
