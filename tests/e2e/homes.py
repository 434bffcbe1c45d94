"""What the end-to-end tests share: homes of a small simulated market, and their business rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from feature_repo.definitions import ISSUED_VIEW
from features.views import feature_views
from pipelines.app.runner import open_context, run_stage
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport
from pipelines.base.table import TableContract
from pipelines.io.feature_store import open_feature_store
from pipelines.tables.contracts import (
    GOLD_LABELS,
    OPS_QUARANTINE,
    SILVER_ACTIONS,
    SILVER_BARS,
    SILVER_TEXT,
    SILVER_TEXT_SCORES,
    feature_table,
)

BUILD = ("ingest", "curate", "score_text", "build_features")
MARKET = (
    "sources.simulated.symbols=6",
    "sources.simulated.start=2023-01-03",
    "sources.simulated.faults.enabled=true",
    "sources.simulated.faults.nulls=0.02",
    "sources.simulated.faults.bad_ticks=0.02",
    "sources.simulated.faults.corrections=0.03",
    "sources.simulated.faults.late_arrivals=0.02",
    "ingest.max_refused_share=0.9",
    "completeness.min_universe_share=0.4",
)
QUICK_MODEL = (
    "models.split.n_folds=2",
    "models.split.test_sessions=8",
    "models.split.validation_sessions=8",
    "models.split.min_train_sessions=16",
    "models.split.holdout_sessions=12",
    "models.split.min_holdout_sessions=8",
    "models.xgboost.max_rounds=8",
    "models.xgboost.early_stopping_rounds=4",
)
"""Splits and trees for half a year of sessions."""
FIRST = date(2023, 1, 3)
NOW = datetime(2024, 6, 3, 12, tzinfo=UTC)
COMPARED = (
    SILVER_BARS, SILVER_ACTIONS, SILVER_TEXT, SILVER_TEXT_SCORES,
    *map(feature_table, feature_views()), GOLD_LABELS, OPS_QUARANTINE,
)  # fmt: skip


def open_market(folder: Path, *overrides: str) -> Context:
    """Open a home on the small faulty market, at a fixed present."""
    settings, _ = load_settings(overrides=[*MARKET, *overrides])
    return open_context(settings, folder, clock=lambda: NOW)


def run_days(
    context: Context, sessions: Sequence[date], stages: Sequence[str] = BUILD
) -> list[list[StageReport]]:
    """Run the stages for each session in turn, in the order given."""
    return [
        [run_stage(context, stage, SessionRange(start=day, end=day)) for stage in stages] for day in sessions
    ]


def load(context: Context, last: date, stages: Sequence[str] = BUILD) -> list[StageReport]:
    """Load the market from its first session to `last` in one go."""
    return [run_stage(context, stage, SessionRange(start=FIRST, end=last, history=True)) for stage in stages]


def business_rows(context: Context, tables: Sequence[TableContract] = COMPARED) -> dict[str, pl.DataFrame]:
    """Return the sorted rows of each table, the batch that a refused record came in aside."""
    rows = {}
    for contract in tables:
        frame = context.lake.collect_query(f"select * from {contract.alias}", contract)
        if contract is OPS_QUARANTINE:
            frame = frame.drop("batch_id").unique()
        rows[contract.name] = frame.sort(frame.columns)
    return rows


def online_rows(context: Context) -> dict[str, pl.DataFrame]:
    """Return the online rows of every symbol that has bars, by view."""
    store = open_feature_store(context)
    symbols = context.lake.collect_query(f"select distinct symbol from {SILVER_BARS.alias}", SILVER_BARS)[
        "symbol"
    ].to_list()
    return {
        view: store.online(symbols, view).sort("symbol")
        for view in (*(one.name for one in feature_views()), ISSUED_VIEW)
    }


def assert_same_rows(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    """Compare every table bit for bit."""
    for name, rows in one.items():
        assert rows.equals(other[name]), f"{name} differs: {rows.height} and {other[name].height} rows"
