"""Land the source's records of a window in bronze, one batch and one commit a kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.base.frames import DistributedFrame, Frame
from pipelines.base.report import Outcome, SessionRange
from pipelines.base.table import TableContract
from pipelines.io.frames import persisted
from pipelines.io.lake import run_concurrently
from pipelines.io.sources import ReadRequest, Source
from pipelines.io.sources.feeds import open_source
from pipelines.stages.ingest import steps
from pipelines.stages.ingest.params import IngestParams
from pipelines.tables import queries
from pipelines.tables.contracts import BRONZE_BARS, BRONZE_TEXTS, OPS_QUARANTINE
from pipelines.tables.record_kinds import BARS, TEXTS, RecordKind
from pipelines.tables.scope import FEW_SESSIONS

OLDEST_RECORD = timedelta(days=3660)
NEXT_SESSIONS = timedelta(days=10)
NOTHING = {"rows_in": 0, "rows_out": 0, "rows_refused": 0, "sessions_touched": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One kind of record, read from one source for one request."""

    context: Context
    source: Source
    request: ReadRequest
    kind: RecordKind
    bronze: TableContract


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Land bars and texts of `sessions`; what has been landed before is not landed again."""
    calendar = context.calendar
    request = ReadRequest(
        first_session=sessions.start,
        last_session=sessions.end,
        # What arrives between two decisions belongs to the later one: runs of single days leave no gap.
        received_after=calendar.decision_at(calendar.shift(sessions.start, -1)),
        received_until=calendar.decision_at(sessions.end),
    )
    parts, sources = {}, {}
    for kind, bronze in ((BARS, BRONZE_BARS), (TEXTS, BRONZE_TEXTS)):
        parts[kind.name] = NOTHING
        if source := open_source(context, kind.name):
            sources[kind.name] = source.name
            reading = Reading(context=context, source=source, request=request, kind=kind, bronze=bronze)
            parts[kind.name] = land(reading)
    totals = {name: sum(part[name] for part in parts.values()) for name in NOTHING}
    return Outcome(
        status="done" if totals["rows_in"] else "nothing_to_do",
        details={"sources": sources, "kinds": parts},
        **totals,
    )


def land(reading: Reading) -> dict[str, int]:
    """Land what the source sends and return its counts.

    Raises
    ------
    BadDataError
        If a larger share than allowed breaks the contract; then nothing is landed.
    """
    context = reading.context
    reads: tuple[Callable[[], Any], ...] = (partial(read_sent, reading), partial(find_delivered, reading))
    sent, delivered = run_concurrently(*reads)
    fresh = without_landed(reading, sent)
    schema = steps.judged_schema(reading.bronze)
    with persisted(context.lake.distribute(judged(reading, fresh, delivered), schema)) as records:
        key = "symbol, session_date, received_at" if reading.kind is BARS else "record_hash"
        facts = records.selectExpr(*queries.batch_facts(key)).collect()[0].asDict()
        if not facts["rows"]:
            return NOTHING
        batch = records.drop("batch_id").selectExpr(queries.named("batch_id", facts["batch_id"]), "*")
        refused = quarantine(reading, batch, facts)
        check_refusals(reading, refused, facts)
        identity = f"{reading.source.name}:{reading.kind.name}:{facts['batch_id']}"
        landed = context.lake.append(reading.bronze, batch, txn=identity)
        rows_out = facts["rows"] if landed else 0
        counts = {"rows_in": facts["rows"], "rows_out": rows_out, "rows_refused": refused}
        return {**counts, "sessions_touched": facts["sessions"]}


def check_refusals(reading: Reading, refused: int, facts: dict[str, Any]) -> None:
    """Stop where more of a batch has been refused than settings allow, naming the rules."""
    context, place = reading.context, reading.kind.name
    check = partial(steps.check_share, refused, facts["rows"], place=place)
    allowed = context.params(IngestParams).max_refused_share
    if check(allowed=allowed):
        rules = queries.broken_rules(OPS_QUARANTINE, facts["batch_id"])
        broken = context.lake.collect_query(rules, OPS_QUARANTINE)
        raise BadDataError(check(allowed=allowed, rules=broken["rule"].to_list()))


def read_sent(reading: Reading) -> DistributedFrame:
    """Return what the source sends of the window with `record_hash`, all strings, distributed."""
    columns = (*reading.kind.columns, "received_at")
    schema = dict.fromkeys(columns, pl.String)
    sent = reading.source.read(reading.kind.name, reading.request)
    sent = pl.DataFrame(schema=schema) if sent is None else sent
    distributed = reading.context.lake.distribute(sent, schema)
    return distributed.selectExpr(*columns, queries.record_hash(columns))


def without_landed(reading: Reading, fresh: DistributedFrame) -> Frame:
    """Return the records whose hash the source has not landed before; few of them come to this process."""
    lake = reading.context.lake
    request = reading.request
    query = queries.rows_of(reading.bronze, ["record_hash"], _landed(reading))
    if reading.context.calendar.count_between(request.first_session, request.last_session) < FEW_SESSIONS:
        records, landed = lake.collect_if_small(fresh), lake.collect_query_if_small(query, reading.bronze)
        if isinstance(records, pl.DataFrame) and isinstance(landed, pl.DataFrame):
            return records.join(landed, on="record_hash", how="anti")
    if not lake.exists(reading.bronze):
        return fresh
    return fresh.join(lake.scan_query(query, reading.bronze), on="record_hash", how="left_anti")


def _landed(reading: Reading) -> str:
    """Return the condition of the records that the source has landed for the request."""
    request = reading.request
    if reading.source.delivers_received_at(reading.kind.name):
        scope = queries.arrived_between(request.received_after, request.received_until)
    else:
        # A text that comes shortly before the window's last close belongs to a session after the window.
        scope = queries.dated_between(request.first_session, request.last_session + NEXT_SESSIONS)
    return queries.landed_by(reading.source.name, scope)


def judged(reading: Reading, fresh: Frame, delivered: Sequence[date]) -> Frame:
    """Return bronze rows with the arrival of each record and the rules that it breaks."""
    context, request = reading.context, reading.request
    ingest = context.params(IngestParams)
    lag = ingest.bar_lag_minutes if reading.kind is BARS else ingest.text_lag_minutes
    calendar = context.calendar.frame(
        request.first_session - OLDEST_RECORD, request.last_session + NEXT_SESSIONS
    )
    arrival = steps.Arrival(
        source=reading.source.name,
        closes=calendar.drop("decision_at"),
        delivered=delivered,
        now=context.clock(),
        lag=timedelta(minutes=lag),
        text_close_lag=timedelta(minutes=ingest.text_close_lag_minutes),
        fallback=request.received_until,
    )
    step = partial(steps.judge_records, kind=reading.kind, arrival=arrival, contract=reading.bronze)
    return context.lake.map_batches(fresh, step, steps.judged_schema(reading.bronze))


def find_delivered(reading: Reading) -> list[date]:
    """Return the sessions in question that a source without arrival times has delivered before."""
    lake = reading.context.lake
    if reading.source.delivers_received_at(reading.kind.name) or not lake.exists(reading.bronze):
        return []
    query = queries.distinct_values(reading.bronze, "session_date", _landed(reading))
    return lake.collect_query(query, reading.bronze)["session_date"].drop_nulls().to_list()


def quarantine(reading: Reading, batch: DistributedFrame, facts: dict[str, Any]) -> int:
    """Write the refused records of a batch to quarantine and return how many records they are."""
    lake, kind = reading.context.lake, reading.kind
    found = []
    if facts["broken"]:
        step = partial(steps.broken_rows, kind=kind)
        found.append(lake.map_batches(batch.where(queries.IS_BROKEN), step, OPS_QUARANTINE.schema))
    if facts["rows"] > facts["keys"]:
        repeated = partial(steps.repeated_rows, kind=kind)
        found.append(lake.map_groups(batch, ["symbol"], repeated, OPS_QUARANTINE.schema))
    if not found:
        return 0
    refusals = [lake.distribute(rows, OPS_QUARANTINE.schema) for rows in found]
    with persisted(refusals[0] if len(refusals) == 1 else refusals[0].unionByName(refusals[1])) as refused:
        lake.insert_absent(OPS_QUARANTINE, refused)
        return int(refused.select("record_hash").distinct().count())
