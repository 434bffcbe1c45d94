"""Join small files, remove what has outlived its retention; no row of any table changes."""

from __future__ import annotations

import shutil

from pipelines.base.context import Context
from pipelines.base.report import Outcome, SessionRange
from pipelines.io.table_upkeep import compact_table, keep_log, vacuum_table
from pipelines.stages.maintain import steps
from pipelines.stages.maintain.params import MaintainParams
from pipelines.tables.contracts import all_tables


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Compact and vacuum every table, and expire the reports older than their retention."""
    params = context.params(MaintainParams)
    tables = [table for table in all_tables() if context.lake.exists(table)]
    joined = {table.name: compact_table(context.lake, table) for table in tables}
    for table in tables:
        keep_log(context.lake, table, retention_days=params.table_retention_days)
        vacuum_table(context.lake, table, retention_days=params.table_retention_days)
    expired = expire_reports(context, sessions)
    return Outcome(
        status="done" if tables or expired else "unchanged",
        details={"files_joined": joined, "reports_expired": expired},
    )


def expire_reports(context: Context, sessions: SessionRange) -> list[str]:
    """Remove the reports of sessions older than their retention and return their names."""
    folder = context.home.reports
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    expired = steps.select_expired(names, sessions.end, context.params(MaintainParams).report_retention_days)
    for name in expired:
        place = folder / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    return expired
