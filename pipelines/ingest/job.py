"""Land the source's records of a window in bronze, one batch and one commit a kind."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelines.context import Context
from pipelines.contracts import BRONZE_BARS, BRONZE_TEXTS, OPS_QUARANTINE, TableContract
from pipelines.errors import BadDataError
from pipelines.ingest import contract, steps
from pipelines.io.sources import ReadRequest, Source, build_source
from pipelines.records import BARS, TEXTS, RecordKind
from pipelines.report import StageReport, Window, standing

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

OLDEST_RECORD = timedelta(days=3660)
NEXT_SESSIONS = timedelta(days=10)
NOTHING = {"rows_in": 0, "rows_out": 0, "rows_refused": 0, "sessions_touched": 0}


def run(context: Context, window: Window) -> StageReport:
    """Land bars and texts of `window`; what has been landed before is not landed again."""
    before = context.lake.versions(contract.WRITES)
    source = build_source(context.settings.source)
    request = read_request(context, window)
    bars = source.read_bars(context.lake.spark, request)
    parts = {"bars": land(context, source, request, BARS, BRONZE_BARS, bars)}
    texts = source.read_texts(context.lake.spark, request)
    if texts is not None:
        parts["texts"] = land(context, source, request, TEXTS, BRONZE_TEXTS, texts)
    totals = steps.combine_details(parts)
    after = standing(context.lake.versions(contract.WRITES))
    status = "done" if totals["rows_in"] else "nothing_to_do"
    return StageReport(
        stage="ingest", status=status, versions_before=before, outputs=after, **totals,
        details={"source": source.name, "kinds": parts},
    )  # fmt: skip


def read_request(context: Context, window: Window) -> ReadRequest:
    """Return what is asked of the source: sessions, and the arrivals between two decisions."""
    calendar = context.calendar
    return ReadRequest(
        first_session=window.start,
        last_session=window.end,
        received_after=calendar.decision_at(calendar.shift(window.start, -1)),
        received_until=calendar.decision_at(window.end),
    )


def land(
    context: Context, source: Source, request: ReadRequest, kind: RecordKind, bronze: TableContract, sent: DataFrame
) -> dict[str, int]:
    """Land one kind of record and return its counts.

    Raises
    ------
    BadDataError
        If a larger share than allowed breaks the contract; then nothing is landed.
    """
    fresh = without_landed(context, source, request, bronze, hashed(sent, kind))
    records = dated(context, source, request, kind, bronze, fresh).persist()
    try:
        facts = batch_facts(records, source, kind)
        if not facts["rows"]:
            return NOTHING
        batch = records.drop("batch_id").selectExpr(f"'{facts['batch_id']}' as batch_id", "*")
        refused = quarantine(context, request, kind, batch, repeated=facts["rows"] > facts["keys"])
        reason = steps.check_share(
            refused, facts["rows"], allowed=context.settings.ingest.max_refused_share, place=kind.name
        )
        if reason:
            raise BadDataError(reason)
        landed = context.lake.append(bronze, batch, txn=f"{source.name}:{kind.name}:{facts['batch_id']}")
        return {"rows_in": facts["rows"], "rows_out": landed, "rows_refused": refused,
                "sessions_touched": facts["sessions"]}  # fmt: skip
    finally:
        records.unpersist()


def hashed(sent: DataFrame, kind: RecordKind) -> DataFrame:
    """Return what was sent with `record_hash`, a digest of all that the feed said."""
    parts = ", ".join(f"coalesce(`{name}`, '\\u0000')" for name in (*kind.columns, "received_at"))
    return sent.selectExpr(*kind.columns, "received_at", f"sha2(concat_ws('\\u001f', {parts}), 256) as record_hash")


def without_landed(
    context: Context, source: Source, request: ReadRequest, bronze: TableContract, fresh: DataFrame
) -> DataFrame:
    """Return the records whose hash the source has not landed before."""
    if not context.lake.exists(bronze):
        return fresh
    landed = context.lake.read(bronze).where(f"source = '{source.name}'").where(_scope(source, request))
    return fresh.join(landed.select("record_hash"), on="record_hash", how="left_anti")


def _scope(source: Source, request: ReadRequest) -> str:
    if source.delivers_received_at:
        return f"received_at > '{request.received_after}' and received_at <= '{request.received_until}'"
    return f"session_date between '{request.first_session}' and '{request.last_session}' or session_date is null"


def dated(
    context: Context,
    source: Source,
    request: ReadRequest,
    kind: RecordKind,
    bronze: TableContract,
    fresh: DataFrame,
) -> DataFrame:
    """Return bronze rows with the arrival of each record; see `steps.date_arrivals`."""
    params, curate = context.settings.ingest, context.settings.curate
    arrival = steps.Arrival(
        source=source.name,
        closes=context.calendar.frame(
            request.first_session - OLDEST_RECORD, request.last_session + NEXT_SESSIONS
        ).drop("decision_at"),
        delivered=_delivered(context, source, bronze),
        now=context.clock(),
        lag=timedelta(minutes=params.bar_lag_minutes if kind is BARS else params.text_lag_minutes),
        text_close_lag=timedelta(minutes=curate.text_close_lag_minutes),
        fallback=request.received_until,
    )
    step = partial(steps.date_arrivals, kind=kind, arrival=arrival, contract=bronze)
    return context.lake.map_batches(fresh, step, bronze.schema)


def _delivered(context: Context, source: Source, bronze: TableContract) -> list[Any]:
    if source.delivers_received_at or not context.lake.exists(bronze):
        return []
    sessions = context.lake.read(bronze).where(f"source = '{source.name}'").select("session_date").distinct()
    return [row[0] for row in sessions.collect() if row[0] is not None]


def batch_facts(records: DataFrame, source: Source, kind: RecordKind) -> dict[str, Any]:
    """Return rows, distinct keys, sessions and the content-derived identity of a batch."""
    key = "symbol, session_date, received_at" if kind is BARS else "record_hash"
    facts = records.selectExpr(
        "count(*) as rows",
        f"count(distinct {key}) as keys",
        "count(distinct session_date) as sessions",
        "sha2(concat_ws(':', count(*), min(record_hash), max(record_hash), "
        "cast(sum(cast(xxhash64(record_hash) as decimal(38, 0))) as string)), 256) as batch_id",
    )
    return facts.collect()[0].asDict()  # type: ignore[no-any-return]


def quarantine(
    context: Context, request: ReadRequest, kind: RecordKind, batch: DataFrame, *, repeated: bool
) -> int:
    """Write the refused records of a batch to quarantine and return how many records they are."""
    days = context.calendar.sessions(request.first_session - OLDEST_RECORD, request.last_session)
    lake = context.lake
    refused = lake.map_batches(
        batch, partial(steps.quarantine_rows, kind=kind, days=days), OPS_QUARANTINE.schema
    )
    if repeated:
        step = partial(steps.repeated_rows, kind=kind)
        refused = refused.unionByName(lake.map_groups(batch, ["symbol"], step, OPS_QUARANTINE.schema))
    refused = refused.persist()
    try:
        lake.insert_absent(OPS_QUARANTINE, refused)
        return int(refused.select("record_hash").distinct().count())
    finally:
        refused.unpersist()

