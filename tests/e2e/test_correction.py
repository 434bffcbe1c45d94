"""A late correction of one old bar: what it may touch, and what it must leave alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from features.sessions import SessionCalendar
from features.views import max_lookback
from pipelines.app.runner import open_context, run_stage
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.report import SessionRange
from pipelines.tables.contracts import GOLD_LABELS, SILVER_BARS
from tests.gold_tables import GOLD_FEATURES_DAILY

pytestmark = pytest.mark.replay
CALENDAR = SessionCalendar()
LAST = date(2018, 2, 6)
SESSIONS = CALENDAR.sessions(date(2016, 8, 1), LAST)
CORRECTED = CALENDAR.shift(LAST, -300)
ARRIVES = datetime(2018, 2, 7, 12, tzinfo=UTC)
TABLES = (SILVER_BARS, GOLD_FEATURES_DAILY, GOLD_LABELS)
STAGES = ("ingest", "curate", "build_features")


def bars() -> pl.DataFrame:
    """Three symbols that drift apart, one bar a session."""
    rows = []
    for place, session in enumerate(SESSIONS):
        for symbol, tilt in (("AAA", 0.011), ("BBB", 0.007), ("CCC", 0.013)):
            close = 100 * (1 + tilt * ((place * 7 + len(symbol)) % 11 - 5) / 5) + place * tilt
            rows.append({"symbol": symbol, "session": session, "open": close * 0.998, "high": close * 1.01,
                         "low": close * 0.99, "close": close, "volume": 1000.0 + place % 17})  # fmt: skip
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Context, dict[str, pl.DataFrame]]:
    """A home after the correction, and its rows before."""
    folder = tmp_path_factory.mktemp("correction")
    (folder / "bars").mkdir()
    bars().write_parquet(folder / "bars" / "history.parquet")
    context = opened(folder, lambda: ARRIVES)
    run(context)
    before = {table.name: rows_of(context, table) for table in TABLES}
    late = bars().filter((pl.col("symbol") == "BBB") & (pl.col("session") == CORRECTED))
    late.with_columns(pl.col("close") * 1.005).write_parquet(folder / "bars" / "late.parquet")
    run(context)
    return context, before


def opened(folder: Path, clock: Callable[[], datetime]) -> Context:
    overrides = ["feeds.bars=files", "feeds.texts=files", f"sources.files.bars={folder / 'bars'}"]
    settings, _ = load_settings(overrides=overrides)
    return open_context(settings, folder / "home", clock=clock)


def run(context: Context) -> None:
    for stage in STAGES:
        run_stage(context, stage, SessionRange(start=SESSIONS[0], end=LAST, history=True))


def rows_of(context: Context, table: object) -> pl.DataFrame:
    frame = context.lake.collect(context.lake.scan_table(table))  # type: ignore[arg-type]
    return frame.sort(frame.columns)


def added(corrected: tuple[Context, dict[str, pl.DataFrame]], table: object) -> pl.DataFrame:
    context, before = corrected
    after = rows_of(context, table)
    return after.join(before[table.name], on=after.columns, how="anti", nulls_equal=True)  # type: ignore[attr-defined]


def test_one_version_of_one_bar_is_added(corrected: tuple[Context, dict[str, pl.DataFrame]]) -> None:
    new = added(corrected, SILVER_BARS)
    assert new.select("symbol", "session", "known_at").rows() == [("BBB", CORRECTED, ARRIVES)]


def test_only_dependent_sessions_get_new_features(corrected: tuple[Context, dict[str, pl.DataFrame]]) -> None:
    new = added(corrected, GOLD_FEATURES_DAILY)
    assert new["session"].min() == CORRECTED
    assert new["session"].max() <= CALENDAR.shift(CORRECTED, max_lookback() - 1)
    assert new["session"].n_unique() > 200
    assert (new["known_at"] == ARRIVES).all()


def test_labels_that_end_or_start_at_the_bar_are_revised(
    corrected: tuple[Context, dict[str, pl.DataFrame]],
) -> None:
    new = added(corrected, GOLD_LABELS)
    expected = {(1, CALENDAR.shift(CORRECTED, -2)), (1, CALENDAR.shift(CORRECTED, -1)),
                (5, CALENDAR.shift(CORRECTED, -6)), (5, CALENDAR.shift(CORRECTED, -1))}  # fmt: skip
    assert set(new.select("horizon", "session").rows()) == expected
    assert new["symbol"].unique().to_list() == ["BBB"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_was_known_before_is_unchanged(
    corrected: tuple[Context, dict[str, pl.DataFrame]], table: object
) -> None:
    context, before = corrected
    earlier = rows_of(context, table).filter(pl.col("known_at") < ARRIVES - timedelta(seconds=1))
    assert earlier.equals(before[table.name])  # type: ignore[attr-defined]
