"""The stage over a small real lake: a quiet market, then a loud one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport
from pipelines.stages.monitor.scales import SCALE_FEATURES
from pipelines.tables.contracts import GOLD_FORECASTS, GOLD_LABELS
from tests.gold_tables import GOLD_FEATURES_DAILY
from tests.pipelines.conftest import NOON
from tests.pipelines.synthetic_gold import CALENDAR, Gold, append_rows, make_gold

SETTINGS = (
    "monitor.reference_sessions=40",
    "monitor.min_reference_sessions=30",
    "monitor.current_sessions=6",
    "monitor.top_features=3",
)
LOUD = 8


@pytest.fixture(scope="module")
def gold() -> Gold:
    """Sixty sessions, the last of them with twice the scale."""
    made = make_gold(symbols=12, sessions=60, seed=4)
    factor = pl.when(pl.col("session") >= made.sessions[-LOUD]).then(2.0).otherwise(1.0)
    scaled = [(pl.col(name).abs() * 0.1 + 1).mul(factor).alias(name) for name in SCALE_FEATURES[1:]]
    daily = made.daily.with_columns(pl.col(SCALE_FEATURES[0]) * factor, *scaled)
    return Gold(sessions=made.sessions, daily=daily, text=made.text, labels=made.labels)


def forecasts_of(gold: Gold) -> pl.DataFrame:
    """Forecasts that know a part of the labels; from the fifth-last session on replays of the reverse."""
    labels = gold.labels.filter(pl.col("session") >= gold.sessions[-30])
    noise = np.random.default_rng(1).standard_normal(labels.height) * 0.01
    decisions = CALENDAR.frame(gold.sessions[0], gold.sessions[-1]).drop("event_timestamp")
    late = pl.when(pl.col("session") >= gold.sessions[-5])
    a_moment = timedelta(microseconds=1)
    rows = labels.join(decisions, on="session").with_columns(
        late.then(-pl.col("value")).otherwise(pl.col("value")) + pl.Series(noise),
        late.then(pl.col("decision_at") + a_moment).otherwise(pl.col("decision_at")).alias("issued_at"),
        pl.lit("i").alias("issue"),
        pl.lit("d").alias("input_digest"),
        *(pl.lit(text).alias(name) for name, text in {"model_key": "k", "model_version": "1"}.items()),
        pl.lit("xgboost").alias("family"),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("rank", "q10", "q50", "q90")),
        pl.lit(12, pl.Int32).alias("universe"),
        pl.lit(value=False).alias("in_sample"),
        pl.col("label_end").alias("event_timestamp"),
    )
    return rows.select(GOLD_FORECASTS.columns)


@pytest.fixture(scope="module")
def context(
    open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory, gold: Gold
) -> Context:
    opened = open_home(tmp_path_factory.mktemp("monitor"), *SETTINGS)
    append_rows(opened.lake, GOLD_FEATURES_DAILY, gold.daily)
    append_rows(opened.lake, GOLD_LABELS, gold.labels)
    append_rows(opened.lake, GOLD_FORECASTS, forecasts_of(gold))
    seconds = count()
    return replace(opened, clock=lambda: NOON + timedelta(seconds=next(seconds)))


def monitor(context: Context, as_of: date) -> StageReport:
    return run_stage(context, "monitor", SessionRange(start=as_of, end=as_of))


@pytest.fixture(scope="module")
def reports(context: Context, gold: Gold) -> dict[str, StageReport]:
    """One report before the change and two after it."""
    quiet, loud = gold.sessions[-LOUD - 1], gold.sessions[-2]
    return {name: monitor(context, day) for name, day in (("quiet", quiet), ("loud", loud))}


def test_a_quiet_market_is_ok_and_a_loud_one_a_drift(reports: dict[str, StageReport]) -> None:
    assert reports["quiet"].details["verdict"] == "ok"
    loud = reports["loud"].details
    assert (loud["verdict"], loud["retrain"]) == ("drift", True)
    assert loud["reasons"][0].startswith("return dispersion is ")


def test_report_verdict_and_index_lie_side_by_side(
    context: Context, reports: dict[str, StageReport], gold: Gold
) -> None:
    loud = gold.sessions[-2]
    names = sorted(path.name for path in context.home.reports.iterdir())
    quiet = gold.sessions[-LOUD - 1]
    assert names == [f"{quiet}.html", f"{quiet}.json", f"{loud}.html", f"{loud}.json", "index.html"]
    record = json.loads((context.home.reports / f"{loud}.json").read_text())
    assert record == json.loads(json.dumps(dict(reports["loud"].details)))
    assert record["link"] == f"reports/{loud}.html"
    assert record["rank_ic"] > 0.3
    assert record["replay_rank_ic"] < -0.3
    assert set(record["shares"]) == {"measures", "features", "forecasts"}
    index = (context.home.reports / "index.html").read_text()
    assert index.index(f'href="{loud}.html"') < index.index(f'href="{quiet}.html"')


def test_too_few_sessions_are_no_verdict_yet(context: Context, gold: Gold) -> None:
    report = monitor(context, gold.sessions[20])
    assert (report.status, report.details["verdict"]) == ("unchanged", "none yet")
    assert "15 reference sessions of at least 30" in report.details["why"]
    assert not (context.home.reports / f"{gold.sessions[20]}.html").exists()


def test_the_same_again_is_unchanged_and_keeps_the_verdict(
    context: Context, reports: dict[str, StageReport], gold: Gold
) -> None:
    loud = gold.sessions[-2]
    assert reports["loud"].details["verdict"] == "drift"
    monitor(context, loud)
    again = monitor(context, loud)
    assert (again.status, again.rows_out) == ("unchanged", 0)
    assert again.details["verdict"] == "drift"


def test_an_empty_lake_has_no_verdict_yet(
    open_home: Callable[..., Context], tmp_path: Path, gold: Gold
) -> None:
    report = monitor(open_home(tmp_path / "home", *SETTINGS), gold.sessions[-1])
    assert (report.status, report.details["why"][:22]) == ("unchanged", "0 reference sessions o")
