"""Publish, for each symbol, the newest vectors that are known at the as-of's cut."""

from __future__ import annotations

import polars as pl

from features.views import FeatureView, feature_views, primary_view
from pipelines.base.context import Context
from pipelines.base.cut import wait_for_cut
from pipelines.base.report import Outcome, SessionRange, existing
from pipelines.base.stage import FEATURE_TABLES
from pipelines.io.feature_retrieval import read_newest_vectors
from pipelines.io.feature_store import open_feature_store
from pipelines.registry.binding import note_binding
from pipelines.stages.materialize.steps import is_repeated, name_run
from pipelines.tables import queries
from pipelines.tables.contracts import feature_table, select_tables


def define(context: Context, sessions: SessionRange) -> str:
    """Return what is published: these definitions, as of this session."""
    return name_run(open_feature_store(context).definitions.digest(), sessions.end)


def run(context: Context, sessions: SessionRange, definition: str) -> Outcome:
    """Bring the online store up to the range's end; an online row is never replaced by an older one."""
    wait_for_cut(context, sessions.end)
    store = open_feature_store(context)
    applied = store.apply()
    inputs = existing(context.lake.versions(select_tables((FEATURE_TABLES,))))
    last = context.run_log.last("materialize")
    refused = note_binding(context)
    details = {"alerts": [refused]} if refused else {}
    if not applied and store.is_told_whole and is_repeated(last, definition, inputs):
        return Outcome(status="unchanged", details=details)
    newest = {view.name: read_newest(context, view, sessions) for view in feature_views()}
    if store.was_published and not store.lists_symbols:  # a home of before the list, or a torn one
        store.note_symbols(read_symbols(context))
    store.note_symbols(newest[primary_view().name]["symbol"].to_list())
    written = {view: store.publish(rows, view) for view, rows in newest.items()}
    store.record_publication(newest[primary_view().name], session=sessions.end, at=context.clock())
    return Outcome(
        rows_in=sum(rows.height for rows in newest.values()),
        rows_out=sum(written.values()),
        sessions_touched=int(any(written.values())),
        details={"applied": applied, "written": written} | details,
    )


def read_symbols(context: Context) -> list[str]:
    """Return every symbol of which there ever was a vector."""
    table = feature_table(primary_view())
    symbols: list[str] = context.lake.collect_query(queries.distinct_values(table, "symbol"), table)[
        "symbol"
    ].to_list()
    return symbols


def read_newest(context: Context, view: FeatureView, sessions: SessionRange) -> pl.DataFrame:
    """Return each symbol's newest vector known at the as-of's cut.

    Returns
    -------
    polars.DataFrame
        Columns of the view's gold table, one row a symbol, which bounds it, sorted by symbol; of the newest
        session of which anything was known, retracted or not.
    """
    return read_newest_vectors(context, view, sessions.end, context.calendar.cutoff_at(sessions.end))
