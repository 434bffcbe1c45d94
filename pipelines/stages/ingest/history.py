"""What a history load adds behind cuts that were read: it is exempt from their closing, and says so."""

from __future__ import annotations

from pipelines.base.context import Context
from pipelines.base.report import SessionRange
from pipelines.io.tracking_params import TrackingParams
from pipelines.registry.ledger import (
    LedgerEntry,
    append_entry,
    identify_decision,
    next_instant,
    read_ledger,
)
from pipelines.stages.ingest.landing import Landing
from pipelines.stages.ingest.reading import Reading
from pipelines.tables import landing_queries, queries
from pipelines.tables.contracts import GOLD_FORECASTS


def note_touched(context: Context, sessions: SessionRange, reading: Reading, landing: Landing) -> None:
    """Write into the ledger which issues and models a history load has added to the past of.

    Nothing is written where it landed nothing that counts as known at a cut which was read before. The batch
    is looked up, not counted: a try that died behind its commit has landed it all the same.
    """
    closed = reading.observation.closed_until
    if not sessions.history or closed is None or not landing.batch_id:
        return
    of_batch = landing_queries.of_batch(landing.batch_id)
    query = landing_queries.size_and_first_known(reading.bronze, of_batch)
    rows, known_at = context.lake.collect_query(query, reading.bronze).row(0)
    if known_at is None or known_at > closed:
        return
    entries = read_ledger(context.lake)
    cutoff_at = context.calendar.cutoff_at
    models = sorted(
        {one.model_version for one in entries if one.installs and cutoff_at(one.as_of) >= known_at}
    )
    since = queries.distinct_values(GOLD_FORECASTS, "issue", landing_queries.cut_since(known_at))
    issues = context.lake.collect_query(since, GOLD_FORECASTS)["issue"].drop_nulls().sort().to_list()
    name = f"{reading.feed.source.name}.{reading.feed.kind}"
    why = f"history {sessions.start} to {sessions.end} of {name}: {rows} records"
    said = f"{why} {landing.batch_id}"
    entry = LedgerEntry(
        entry_id=identify_decision("history_load", sessions.end, "", current=None, why=said),
        kind="history_load",
        as_of=sessions.end,
        model_key="",
        model_version="",
        previous_version="",
        who=context.params(TrackingParams).signed_by,
        why=why,
        numbers={"known_from": known_at.isoformat(), "issues": issues, "models": models},
        decided_at=next_instant(entries, context.clock()),
    )
    append_entry(context.lake, entry)
