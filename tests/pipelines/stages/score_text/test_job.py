"""The stage on a small lake: what is scored, once, by which version."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from features.sessions import SessionCalendar
from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.home import Home
from pipelines.base.report import SessionRange, StageReport
from pipelines.io.lake import Lake
from pipelines.io.run_log import RunLog
from pipelines.io.text_models import LexiconScorer, scorer_version
from pipelines.io.text_params import TextParams
from pipelines.stages.score_text.job import define, run
from pipelines.tables.contracts import SILVER_TEXT, SILVER_TEXT_SCORES
from tests.pipelines.io.tiny_bert import save_tiny_bert

NOW = datetime(2024, 3, 5, tzinfo=UTC)
WINDOW = SessionRange(start=date(2024, 3, 1), end=date(2024, 3, 4))


@pytest.fixture
def context(lake: Lake, tmp_path: Path) -> Context:
    seconds, settings = count(), SimpleNamespace(section=lambda kind: kind())
    return Context(
        settings=settings,  # type: ignore[arg-type]
        home=Home(tmp_path),
        clock=lambda: NOW + timedelta(seconds=next(seconds)),
        calendar=SessionCalendar("XNYS"),
        lake=lake,
        run_log=RunLog(lake),
        writing=nullcontext,
        installing=nullcontext,
        training=nullcontext,
    )


def add_texts(lake: Lake, *items: tuple[str, str, date, str]) -> None:
    """Append (text_id, symbol, session, text) to silver.text."""
    rows = [
        {
            "text_id": text_id,
            "symbol": symbol,
            "session": session,
            "event_timestamp": NOW,
            "known_at": NOW,
            "published_at": NOW,
            "text": text,
            "origin": "wire",
            "source": "test",
            "record_hash": f"{text_id}{symbol}",
            "month": f"{session:%Y-%m}",
        }
        for text_id, symbol, session, text in items
    ]
    frame = pl.DataFrame(rows, schema=dict(SILVER_TEXT.schema))
    lake.append(SILVER_TEXT, lake.distribute(frame, SILVER_TEXT.schema))


def run_and_record(context: Context) -> StageReport:
    return run_stage(context, "score_text", WINDOW)


def scores_of(context: Context) -> pl.DataFrame:
    return context.lake.collect(context.lake.scan_table(SILVER_TEXT_SCORES)).sort("model_version", "text_id")


def test_nothing_to_score(context: Context):
    assert run(context, WINDOW, define(context, WINDOW)).status == "unchanged"


def test_each_text_is_scored_once_whatever_its_symbols_and_spelling(context: Context):
    friday, monday = date(2024, 3, 1), date(2024, 3, 4)
    add_texts(
        context.lake,
        ("t1", "AAA", friday, "Profits  SURGE"),
        ("t1", "BBB", friday, "profits surge"),
        ("t2", "AAA", friday, "shares plunge"),
    )
    first = run_and_record(context)
    assert (first.status, first.rows_out) == ("done", 2)
    scores = scores_of(context)
    assert scores["text_id"].to_list() == ["t1", "t2"]
    expected = LexiconScorer().score(["profits surge", "shares plunge"])
    assert scores.select("negative", "neutral", "positive").rows() == [tuple(row) for row in expected]

    assert run_and_record(context).status == "unchanged"
    add_texts(context.lake, ("t3", "AAA", monday, "a record gain"))
    later = run_and_record(context)
    assert (later.rows_out, later.sessions_touched) == (1, 1)
    assert scores_of(context).filter(pl.col("text_id") != "t3").equals(scores)


def test_another_model_scores_everything_anew_beside_the_old_scores(context: Context, tmp_path: Path):
    add_texts(
        context.lake, ("t1", "AAA", date(2024, 3, 1), "profit up"), ("t2", "AAA", date(2024, 3, 4), "loss")
    )
    run_and_record(context)
    folder = save_tiny_bert(tmp_path / "bert")
    bert = TextParams(scorer="transformers", model=str(folder), device="cpu", batch_size=4)
    other = replace(
        context, settings=SimpleNamespace(section=lambda _kind: bert), run_log=RunLog(context.lake)
    )
    report = run_and_record(other)
    assert report.rows_out == 2
    assert report.details["model_version"] == scorer_version(bert)
    scores = scores_of(context)
    assert scores.height == 4
    assert scores["model_version"].n_unique() == 2
    total = scores.select(pl.sum_horizontal("negative", "neutral", "positive")).to_series()
    assert (total - 1).abs().max() < 1e-9
