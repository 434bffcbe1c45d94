"""Publish, for each symbol, the newest feature rows that are known at the as-of's decision."""

from __future__ import annotations

from feature_repo.definitions import DAILY_VIEW, TEXT_VIEW
from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.io.feature_store import open_feature_store
from pipelines.stages.materialize.contract import READS
from pipelines.stages.materialize.steps import is_repeated, name_run


def run(context: Context, window: SessionRange) -> StageReport:
    """Bring the online store up to the window's end; an online row is never replaced by an older one."""
    store = open_feature_store(context)
    applied = store.apply()
    inputs = standing(context.lake.versions(READS))
    definition = name_run(store.definitions.digest(), window.end)
    last = context.run_log.last("materialize")
    if not applied and is_repeated(last, definition, inputs):
        return StageReport(stage="materialize", status="nothing_to_do", inputs=inputs, definition=definition)
    decision_at = context.calendar.decision_at(window.end)
    newest = {
        view: store.newest_versions(view, as_of=window.end, decision_at=decision_at)
        for view in (DAILY_VIEW, TEXT_VIEW)
    }
    written = {view: store.publish(rows, view) for view, rows in newest.items()}
    store.record_publication(newest[DAILY_VIEW], session=window.end, at=context.clock())
    return StageReport(
        stage="materialize",
        rows_in=sum(rows.height for rows in newest.values()),
        rows_out=sum(written.values()),
        sessions_touched=int(any(written.values())),
        inputs=inputs,
        definition=definition,
        details={"applied": applied, "written": written},
    )
