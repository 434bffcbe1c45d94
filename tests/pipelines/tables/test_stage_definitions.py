"""A stage's definition covers its own code and the calendar of what it has stored, and nothing else."""

from __future__ import annotations

from datetime import date
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from features.sessions import SessionCalendar
from pipelines.base.run_log import CoveredCalendar
from pipelines.tables.stage_definitions import define_stage, digest_stage_code, find_epoch
from tests.calendars import altered

FIRST, LAST = date(2024, 1, 2), date(2024, 6, 28)
STEPS = "pipelines.stages.build_features"


def digest_edited(stage: str, module: str, old: str, new: str) -> str:
    """Return the digest of a stage's code if one text of a module were another."""

    def read(name: str) -> str | None:
        try:
            source = import_module(name)
        except ModuleNotFoundError:
            return None
        text = Path(str(source.__file__)).read_text("utf-8")
        if name != module:
            return text
        assert old in text, f"{module} no longer holds {old!r}"
        return text.replace(old, new)

    return digest_stage_code(stage, read=read)


@pytest.mark.parametrize(
    ("stage", "module", "old", "new"),
    [
        ("curate", "pipelines.stages.curate.ticks", "abs(move + back) >", "abs(move + back) >="),
        ("curate", "pipelines.stages.curate.records", "keep=\"last\"", "keep=\"first\""),
        ("curate", "pipelines.stages.curate.seam_evidence", "OFF = 1.0", "OFF = 0.5"),
        ("curate", "pipelines.tables.record_kinds", "low <= high", "low < high"),
        ("curate", "pipelines.tables.version_chains", "_states(", "_states(_x, "),
        ("curate", "pipelines.stages.curate.bar_scope", "session <= last[source]", "session < last[source]"),
        ("score_text", "pipelines.stages.score_text.steps", "is_not_null()", "is_null()"),
        ("build_features", f"{STEPS}.evaluations", "pl.col(\"known_at\") > ", "pl.col(\"known_at\") >= "),
        ("build_features", f"{STEPS}.steps", "def mark_blocks(", "def mark_blocks(_x, "),
        ("build_features", f"{STEPS}.built_tables", "self.horizons[-1] + 1", "self.horizons[-1] + 2"),
    ],
)  # fmt: skip
def test_a_step_that_is_mended_is_another_definition(stage: str, module: str, old: str, new: str) -> None:
    assert digest_edited(stage, module, old, new) != digest_stage_code(stage)


@pytest.mark.parametrize("stage", ["curate", "score_text", "build_features"])
@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("pipelines.stages.curate.ticks", "# Logs add up", "# As logs add up"),
        ("pipelines.stages.curate.ticks", '"""Judges one bar', '"""Passes judgement on one bar'),
        ("pipelines.stages.ingest.steps", "import polars as pl", "import polars as pl\nX = 1"),
        ("pipelines.tables.contracts", "OPS_POLLS = ", "OTHER = 1\nOPS_POLLS = "),
        # Labels have a digest of their own, beside those of the views.
        ("features.labels", "def compute_labels(", "def compute_labels(_x, "),
    ],
)
def test_words_and_what_a_stage_does_not_reach_change_nothing(
    stage: str, module: str, old: str, new: str
) -> None:
    assert digest_edited(stage, module, old, new) == digest_stage_code(stage)


def context_of(calendar: SessionCalendar, covered: CoveredCalendar | None) -> Any:
    return SimpleNamespace(calendar=calendar, run_log=SimpleNamespace(last_calendar=lambda _stage: covered))


@pytest.fixture
def covered() -> CoveredCalendar:
    """What a run left behind that had stored half a year."""
    return CoveredCalendar(first=FIRST, last=LAST, digest=SessionCalendar().digest(FIRST, LAST))


def test_a_year_more_or_less_of_the_calendar_changes_no_definition(covered: CoveredCalendar) -> None:
    first = define_stage(context_of(SessionCalendar(), None), "curate", 1)
    assert define_stage(context_of(SessionCalendar(), covered), "curate", 1) == first
    assert define_stage(context_of(altered(last=LAST), covered), "curate", 1) == first
    assert define_stage(context_of(altered(without=date(2024, 7, 3)), covered), "curate", 1) == first
    assert define_stage(context_of(altered(without=date(2023, 12, 29)), covered), "curate", 1) == first
    assert define_stage(context_of(SessionCalendar(), covered), "curate", 2) != first


def test_a_stored_session_that_is_none_any_more_is_another_definition_once(covered: CoveredCalendar) -> None:
    mended = altered(without=date(2024, 3, 28))
    first = define_stage(context_of(mended, None), "curate", 1)
    rebuilt = define_stage(context_of(mended, covered), "curate", 1)
    assert rebuilt != first
    epoch = find_epoch(context_of(mended, covered), "curate")
    after = CoveredCalendar(first=FIRST, last=LAST, digest=mended.digest(FIRST, LAST), epoch=epoch)
    assert define_stage(context_of(mended, after), "curate", 1) == rebuilt
    grown = CoveredCalendar(
        first=FIRST, last=date(2024, 8, 1), digest=mended.digest(FIRST, date(2024, 8, 1)), epoch=epoch
    )
    assert define_stage(context_of(mended, grown), "curate", 1) == rebuilt


def test_a_close_that_has_moved_counts(covered: CoveredCalendar) -> None:
    assert find_epoch(context_of(altered(early=date(2024, 3, 28)), covered), "curate")
    assert not find_epoch(context_of(altered(early=date(2024, 7, 3)), covered), "curate")
