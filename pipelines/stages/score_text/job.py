"""Score the texts that the active model has not scored yet."""

from __future__ import annotations

from datetime import date
from functools import partial

from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.frames import Frame
from pipelines.base.report import Outcome, SessionRange
from pipelines.io.text_models import scorer_version
from pipelines.io.text_params import TextParams
from pipelines.stages.score_text import steps
from pipelines.tables import queries
from pipelines.tables.contracts import SILVER_TEXT, SILVER_TEXT_SCORES
from pipelines.tables.scope import FEW_SESSIONS, changed_sessions, dates_condition


def define(context: Context, sessions: SessionRange) -> str:
    """Return a digest of the scorer's version."""
    del sessions
    return digest_of(scorer_version(context.params(TextParams)))


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Score what silver holds and the active version has not scored, whatever the as-of."""
    version = scorer_version(context.params(TextParams))
    changed = changed_sessions(context, "score_text", [SILVER_TEXT], define(context, sessions))
    read, scored = (0, 0) if changed == [] else score_sessions(context, changed, version)
    return Outcome(
        status="done" if scored else "nothing_to_do",
        rows_in=read,
        rows_out=scored,
        sessions_touched=len(changed or []),
        details={"model_version": version},
    )


def score_sessions(context: Context, sessions: list[date] | None, version: str) -> tuple[int, int]:
    """Insert the missing scores of the sessions' texts; return how many texts were read and scored."""
    lake, scope = context.lake, dates_condition(sessions)
    read = lake.collect_query(queries.count_rows(SILVER_TEXT, scope), SILVER_TEXT).item()
    unscored = queries.unscored_texts(SILVER_TEXT, SILVER_TEXT_SCORES, where=scope, model_version=version)
    tables = SILVER_TEXT, SILVER_TEXT_SCORES
    few = sessions is not None and len(sessions) < FEW_SESSIONS
    pending = lake.scan_query(unscored, *tables)
    texts: Frame = lake.collect_if_small(pending) if few else pending
    step = partial(steps.score_batch, params=context.params(TextParams))
    scores = lake.map_batches(texts, step, SILVER_TEXT_SCORES.schema)
    by_version = queries.scores_of(scope, version)
    return int(read), lake.insert_absent(SILVER_TEXT_SCORES, scores, scope=by_version)
