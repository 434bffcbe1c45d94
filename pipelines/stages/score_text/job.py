"""Score the texts that the active model has not scored yet."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.io.text_models import scorer_version
from pipelines.io.text_params import TextParams
from pipelines.stages.score_text import contract, steps
from pipelines.tables.contracts import SILVER_TEXT, SILVER_TEXT_SCORES
from pipelines.tables.record_kinds import CANONICAL_TEXT
from pipelines.tables.scope import FEW_SESSIONS, dates_condition

if TYPE_CHECKING:
    from datetime import date

    from pipelines.base.frames import DistributedFrame, Frame


def run(context: Context, window: SessionRange) -> StageReport:
    """Score what silver holds and the active version has not scored, whatever the as-of."""
    del window
    lake, version = context.lake, scorer_version(context.params(TextParams))
    definition = digest_of(version)
    before, inputs = lake.versions(contract.WRITES), standing(lake.versions(contract.READS))
    changed = changed_sessions(context, definition)
    rows = 0 if changed == [] else score_sessions(context, changed, version)
    return StageReport(
        stage="score_text",
        status="done" if rows else "nothing_to_do",
        rows_in=rows,
        rows_out=rows,
        sessions_touched=len(changed or []),
        inputs=inputs,
        versions_before=before,
        outputs=standing(lake.versions(contract.WRITES)),
        definition=definition,
        details={"model_version": version},
    )


def changed_sessions(context: Context, definition: str) -> list[date] | None:
    """Return the sessions whose texts changed since the last run of this version, None for all."""
    if not context.lake.exists(SILVER_TEXT):
        return []
    last = context.run_log.last("score_text").version_of(SILVER_TEXT.name, definition)
    changed = context.lake.changed(SILVER_TEXT, "session", since=last)
    return None if changed is None else sorted(changed)


def score_sessions(context: Context, sessions: list[date] | None, version: str) -> int:
    """Insert the missing scores of the sessions' texts and return how many they are."""
    lake, scope = context.lake, dates_condition(sessions)
    pending = unscored(context, scope, version)
    few = sessions is not None and len(sessions) < FEW_SESSIONS
    texts: Frame = lake.collect_if_small(pending) if few else pending
    step = partial(steps.score_batch, params=context.params(TextParams))
    scored = lake.map_batches(texts, step, SILVER_TEXT_SCORES.schema)
    return lake.insert_absent(SILVER_TEXT_SCORES, scored, scope=f"({scope}) and model_version = '{version}'")


def unscored(context: Context, scope: str, version: str) -> DistributedFrame:
    """Return `text_id`, `session` and `text` of the texts without a score, one row a text."""
    texts = context.lake.scan_table(SILVER_TEXT).where(scope)
    place = "row_number() over (partition by text_id order by session, symbol) as place"
    spelled = texts.selectExpr("text_id", "session", f"{CANONICAL_TEXT} as text", place)
    each = spelled.where("place = 1")
    scores = context.lake.scan_table(SILVER_TEXT_SCORES).where(f"({scope}) and model_version = '{version}'")
    return each.join(scores.select("text_id"), on="text_id", how="left_anti").select(
        "text_id", "session", "text"
    )
