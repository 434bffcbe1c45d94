"""Every question that stages and commands ask of a home: the same answers with a JVM and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest

from features.views import feature_views
from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.report import SessionRange
from pipelines.cli.audit import audit_session
from pipelines.cli.row_display import select_rows
from pipelines.cli.status import describe
from pipelines.io.feature_retrieval import read_features
from pipelines.io.lake import Lake
from pipelines.io.run_log import RunLog
from pipelines.registry.champion import champion_at, load_champion
from pipelines.registry.issue import plan_history, read_issued
from pipelines.registry.ledger import read_ledger
from pipelines.registry.parity import read_batch_answers
from pipelines.stages.materialize.job import read_newest
from pipelines.stages.monitor import read as monitored
from pipelines.tables.contracts import SILVER_BARS, all_tables
from tests.e2e.homes import QUICK_MODEL, open_market

pytestmark = pytest.mark.chain
START, TRAINED, FORECAST = date(2022, 10, 3), date(2023, 3, 15), date(2023, 3, 16)
MARKET = (
    f"sources.simulated.start={START}",
    "sources.simulated.symbols=10",
    *QUICK_MODEL,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A home with a history, a champion and a day, which reads its own folder."""
    context = open_market(tmp_path_factory.mktemp("engines"), *MARKET)
    history, day = SessionRange(start=START, end=TRAINED), SessionRange(start=FORECAST, end=FORECAST)
    for stage in ("ingest", "curate", "score_text", "build_features", "train", "evaluate", "promote"):
        run_stage(context, stage, history)
    for stage in ("ingest", "curate", "score_text", "build_features", "forecast"):
        run_stage(context, stage, day)
    return context


@pytest.fixture(scope="module")
def spark_alone(folder: Context) -> Context:
    """The same home on a lake that asks Spark for everything, as one on an object store does."""
    lake = Lake(str(folder.home.lake), lambda: folder.lake.spark, local_rows=0)
    return replace(folder, lake=lake, run_log=RunLog(lake))


def show_everything(context: Context) -> list[pl.DataFrame]:
    return [select_rows(context, contract.name, limit=0) for contract in all_tables()]


def show_as_known(context: Context) -> list[pl.DataFrame]:
    known_at = context.calendar.cutoff_at(TRAINED)
    bitemporal = [
        contract.name for contract in all_tables() if {"known_at", "session"} <= set(contract.schema)
    ]
    return [select_rows(context, name, session=TRAINED, known_at=known_at, limit=0) for name in bitemporal]


def status(context: Context) -> dict[str, Any]:
    return describe(context)


def newest(context: Context) -> list[pl.DataFrame]:
    day = SessionRange(start=FORECAST, end=FORECAST)
    return [read_newest(context, view, day) for view in feature_views()]


def monitor(context: Context) -> list[pl.DataFrame]:
    names = monitored.choose_features(context, FORECAST)
    return [
        monitored.read_vectors(context, FORECAST, names),
        monitored.read_forecasts(context, FORECAST),
        monitored.read_labels(context, FORECAST),
    ]


def scored_universe(context: Context) -> pl.DataFrame:
    entry = champion_at(context, FORECAST)
    assert entry is not None
    names = load_champion(context, entry).lineage.feature_names
    calendar = context.calendar.frame(TRAINED, FORECAST)
    plan = plan_history(calendar["session"].to_list(), calendar, 1)
    rows = read_features(context, plan, names, at="cutoff_at")
    return rows if isinstance(rows, pl.DataFrame) else context.lake.collect(rows)


def batch_answers(context: Context) -> pl.DataFrame:
    entry = champion_at(context, FORECAST)
    assert entry is not None
    champion = load_champion(context, entry)
    return read_batch_answers(context, champion, FORECAST, read_issued(context, champion, FORECAST))[1]


def remembered(context: Context) -> list[Any]:
    return [
        read_ledger(context.lake),
        context.run_log.last("forecast"),
        context.run_log.last_as_of("curate", FORECAST),
        context.lake.changed(SILVER_BARS, "session", since=1),
    ]


def in_order(answer: Any) -> Any:
    """Rows of a table have no order of their own."""
    if isinstance(answer, pl.DataFrame):
        return answer.sort(answer.columns).to_dict(as_series=False), answer.schema
    return [in_order(part) for part in answer] if isinstance(answer, list) else answer


QUESTIONS = (
    show_everything, show_as_known, status, newest, monitor, scored_universe, batch_answers, remembered,
)  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.__name__)
def test_both_engines_answer_alike(
    folder: Context, spark_alone: Context, question: Callable[[Context], Any]
) -> None:
    here = question(folder)
    assert here is not None
    assert in_order(here) == in_order(question(spark_alone))


def test_an_audit_reads_the_same(folder: Context, spark_alone: Context) -> None:
    assert audit_session(folder, FORECAST) == audit_session(spark_alone, FORECAST)


def test_the_home_is_worth_asking(folder: Context) -> None:
    assert all(rows.height for rows in newest(folder))
    assert scored_universe(folder).height > 10
