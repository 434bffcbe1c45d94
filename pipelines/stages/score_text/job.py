"""Score the texts that the active model has not scored yet."""

from __future__ import annotations

from datetime import date
from functools import partial

from pipelines.base.context import Context
from pipelines.base.frames import Frame
from pipelines.base.report import Outcome, SessionRange
from pipelines.io.text_models import scorer_version
from pipelines.io.text_params import TextParams
from pipelines.stages.score_text import steps
from pipelines.tables import queries
from pipelines.tables.contracts import SILVER_TEXT, SILVER_TEXT_SCORES
from pipelines.tables.scope import changed_sessions, dates_condition
from pipelines.tables.stage_definitions import define_stage
from pipelines.tables.text_identity import first_spellings


def define(context: Context, sessions: SessionRange) -> str:
    """Return a digest of the scorer's version and of the code that hands it texts."""
    del sessions
    return define_stage(context, "score_text", scorer_version(context.params(TextParams)))


def run(context: Context, sessions: SessionRange, definition: str) -> Outcome:
    """Score what silver holds and the active version has not scored, whatever the as-of."""
    del sessions
    version = scorer_version(context.params(TextParams))
    changed = changed_sessions(context, "score_text", [SILVER_TEXT], definition)
    read, scored = (0, 0) if changed == [] else score_sessions(context, changed, version)
    return Outcome(
        status="done" if scored else "unchanged",
        rows_in=read,
        rows_out=scored,
        sessions_touched=len(changed or []),
        details={"model_version": version},
    )


def score_sessions(context: Context, sessions: list[date] | None, version: str) -> tuple[int, int]:
    """Insert the missing scores of the sessions' texts; return how many texts were read and scored."""
    lake, scope = context.lake, dates_condition(sessions)
    read = int(lake.collect_query(queries.count_rows(SILVER_TEXT, scope), SILVER_TEXT).item())
    texts = find_unscored(context, scope, version, few=read <= context.lake.local_rows)
    step = partial(steps.score_batch, params=context.params(TextParams))
    scores = lake.map_batches(texts, step, SILVER_TEXT_SCORES.schema)
    by_version = queries.scores_of(scope, version)
    return read, lake.insert_absent(SILVER_TEXT_SCORES, scores, scope=by_version)


def find_unscored(context: Context, scope: str, version: str, *, few: bool) -> Frame:
    """Return the texts without a score: in this process if those of the scope are few."""
    lake = context.lake
    if not few:
        unscored = queries.unscored_texts(SILVER_TEXT, SILVER_TEXT_SCORES, where=scope, model_version=version)
        return lake.scan_query(unscored, SILVER_TEXT, SILVER_TEXT_SCORES)
    texts = queries.rows_of(SILVER_TEXT, ["text_id", "session", "symbol", "text"], scope)
    scored = queries.rows_of(SILVER_TEXT_SCORES, ["text_id"], queries.scores_of(scope, version))
    return first_spellings(
        lake.collect_query(texts, SILVER_TEXT), lake.collect_query(scored, SILVER_TEXT_SCORES)
    )
