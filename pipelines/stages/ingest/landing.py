"""Land what one feed has delivered: of new deliveries what is new, in one batch and one commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import polars as pl

from pipelines.base.digest import digest_of
from pipelines.base.errors import ContractViolation, SettingsError
from pipelines.base.frames import Frame
from pipelines.io.frames import collect_rows, persisted, reshape
from pipelines.io.sources import Delivery
from pipelines.stages.ingest import steps
from pipelines.stages.ingest.dating import Dating
from pipelines.stages.ingest.params import IngestParams
from pipelines.stages.ingest.reading import Reading
from pipelines.tables import landing_queries, queries
from pipelines.tables.contracts import OPS_QUARANTINE
from pipelines.tables.record_kinds import BARS
from pipelines.tables.scope import bucketed

FIRST_DAY = date(1990, 1, 1)
NEAR = timedelta(days=15)
"""A text's session lies no further from its publication than the longest closure."""
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What came of reading one feed.

    Attributes
    ----------
    records, landed, refused, sessions : int
        Records read, records landed, records sent to quarantine, sessions that something landed of.
    deliveries : list of dict
        Rows of `ops.deliveries`.
    covers : bool
        Whether the window counts as read.
    batch_id : str
        What landed, in this try or in one before it that never finished; empty where nothing was readable.
    """

    records: int = 0
    landed: int = 0
    refused: int = 0
    sessions: int = 0
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    covers: bool = True
    batch_id: str = ""

    def faults(self) -> list[str]:
        """Return what each delivery that did not land is reproached with."""
        return [f"{one['name']}: {one['why']}" for one in self.deliveries if one["outcome"] != "landed"]


def land(reading: Reading) -> Landing:
    """Land a feed's pending deliveries.

    Raises
    ------
    ContractViolation
        If nothing of a feed that has never been read can be read: its settings or its files are wrong.
    SettingsError
        If its stamps tell when a history was published again.
    """
    source, kind = reading.feed.source, reading.feed.kind
    pending = reading.find_pending()
    faults = {one.id: why for one in pending if (why := source.check(kind, one))}
    readable = [one for one in pending if one.id not in faults]
    rows = [
        _delivery_row(reading, one, "unreadable", why=faults[one.id]) for one in pending if one.id in faults
    ]
    if faults and not readable and not reading.past.read:
        raise ContractViolation(kind, "*", next(iter(faults.values())))
    if not readable:
        _check_history(reading)
        return Landing(deliveries=rows, covers=not faults)
    landing = _land_records(reading, readable)
    return replace(landing, deliveries=rows + landing.deliveries, covers=landing.covers and not faults)


def _check_history(reading: Reading) -> None:
    """Refuse a history load that finds nothing where nothing was ever read: a place that was mistyped."""
    if reading.sessions.history and reading.feed.required and not (reading.past.read or reading.past.covered):
        name, kind = reading.feed.source.name, reading.feed.kind
        where = f"sources.{name} has nothing to read yet; check the place that it names, then load again"
        raise ContractViolation(kind, "*", where)


def _delivery_row(
    reading: Reading, one: Delivery, outcome: str, *, records: int = 0, refused: int = 0, why: str = ""
) -> dict[str, Any]:
    return {
        "source": reading.feed.source.name,
        "kind": reading.feed.kind,
        "delivery": one.id,
        "name": one.name,
        "delivered_at": one.at,
        "size": one.size,
        "read_at": reading.observation.landed_at,
        "outcome": outcome,
        "judged_by": reading.judged_by,
        "records": records,
        "refused": refused,
        "why": why,
    }


def _land_records(reading: Reading, deliveries: Sequence[Delivery]) -> Landing:
    """Judge the records of some deliveries and land what is new of those of which not too much is refused.

    A delivery that is refused whole must not count as having said anything, so the others are judged again
    without it.
    """
    params, judging = reading.context.params(IngestParams), _judging(reading, deliveries)
    with _judged(reading, deliveries, judging) as judged:
        facts = pl.DataFrame(
            collect_rows(reshape(judged, landing_queries.DELIVERY_FACTS)), schema=steps.FACTS
        )
        _check_stamps(reading, judged, facts)
        overfull = steps.find_overfull(
            facts, allowed=params.max_refused_share, least=params.min_refused_records
        )
        by_place = {row["place"]: row for row in facts.to_dicts()}
        out = [place in overfull for place in range(len(deliveries))]
        described = [
            _describe(reading, one, by_place.get(place), overfull=out[place])
            for place, one in enumerate(deliveries)
        ]
        named = [one for place, one in enumerate(deliveries) if out[place] or not overfull]
        batch_id = name_batch(reading, named)
        refused = _quarantine(reading, judged, batch_id, overfull, facts)
        if not overfull:
            landed, sessions = _append(reading, judged, batch_id, facts)
            return Landing(
                records=int(facts["records"].sum()),
                landed=landed,
                refused=refused,
                sessions=sessions,
                deliveries=described,
                batch_id=batch_id,
            )
    rest = [one for place, one in enumerate(deliveries) if not out[place]]
    kept = _land_records(reading, rest) if rest else Landing()
    return replace(
        kept,
        records=int(facts["records"].sum()),
        refused=kept.refused + refused,
        deliveries=[row for place, row in enumerate(described) if out[place]] + kept.deliveries,
        covers=False,
    )


def name_batch(reading: Reading, deliveries: Sequence[Delivery]) -> str:
    """Return the identity of the batch that deliveries land in, judged as they are judged now."""
    name = f"{reading.feed.source.name}:{reading.feed.kind}"
    return digest_of(name, sorted(one.id for one in deliveries), reading.judged_by)


def _append(reading: Reading, judged: Frame, batch_id: str, facts: pl.DataFrame) -> tuple[int, int]:
    """Append what is new in one commit; return how many records and sessions it is of."""
    fresh = int(facts["fresh"].sum())
    if fresh:
        rows = reshape(judged, landing_queries.landing_rows(reading.bronze, batch_id))
        txn = f"{reading.feed.source.name}:{reading.feed.kind}:{batch_id}"
        reading.context.lake.append(reading.bronze, rows, txn=txn)
    (counted,) = collect_rows(reshape(judged, landing_queries.FRESH_SESSIONS))
    return fresh, counted["sessions"]


def _describe(
    reading: Reading, one: Delivery, facts: dict[str, Any] | None, *, overfull: bool
) -> dict[str, Any]:
    """Return the row of a delivery that could be read; one without records has landed, empty."""
    if facts is None:
        return _delivery_row(reading, one, "landed")
    records, refused = facts["records"], facts["refused"]
    if not overfull:
        return _delivery_row(reading, one, "landed", records=records, refused=refused)
    params = reading.context.params(IngestParams)
    why = (
        f"{refused} of {records} {reading.feed.kind} records were refused ({refused / records:.1%}), allowed "
        f"is {params.max_refused_share:.1%}; nothing of it was landed: look at ops.quarantine, have it "
        "mended, or raise ingest.max_refused_share"
    )
    return _delivery_row(reading, one, "refused", records=records, refused=refused, why=why)


def _judging(reading: Reading, deliveries: Sequence[Delivery]) -> steps.Judging:
    context, params = reading.context, reading.context.params(IngestParams)
    calendar = context.calendar
    closes = calendar.frame(FIRST_DAY, calendar.last_on_or_before(date.max))
    dating = Dating(
        observation=reading.observation,
        stamped=reading.arrival != "none",
        lag=params.lag(reading.feed.kind),
        covered=reading.past.covered,
        missing=reading.past.missing,
        stamps_from=reading.feed.provision.stamps_from,
        history=reading.sessions.history,
        known_symbols=_known_symbols(reading),
    )
    return steps.Judging(
        source=reading.feed.source.name,
        kind=reading.kind,
        contract=reading.bronze,
        closes=closes.select("session", "event_timestamp"),
        text_close_lag=timedelta(minutes=params.text_close_lag_minutes),
        delivered={one.id: one.at for one in deliveries},
        by_content=reading.by_content,
        dating=dating,
    )


def _known_symbols(reading: Reading) -> set[str] | None:
    """Return the symbols that bronze holds of the feed, where a history load asks which are new."""
    if not reading.sessions.history:
        return None
    query = queries.distinct_values(
        reading.bronze, "symbol", landing_queries.of_source(reading.feed.source.name)
    )
    return set(reading.context.lake.collect_query(query, reading.bronze)["symbol"].drop_nulls())


@contextmanager
def _judged(reading: Reading, deliveries: Sequence[Delivery], judging: steps.Judging) -> Iterator[Frame]:
    """Yield the judged records, repeats marked: in this process if they are few."""
    lake, kind = reading.context.lake, reading.kind
    sent = reading.feed.source.read(kind.name, deliveries, reading.window.request)
    # A stamp that is the delivery's own is no part of what a record says.
    stamped = reading.arrival == "column"
    hashed: Frame
    if isinstance(sent, pl.DataFrame):
        hashed = steps.hash_records(sent, kind.columns, stamped=stamped)
    else:
        hashed = sent.selectExpr("*", queries.record_hash(kind.columns, stamped=stamped))
    schema = steps.judged_schema(reading.bronze)
    judge, mark = (partial(step, judging=judging) for step in (steps.judge_records, steps.mark_repeats))
    with persisted(lake.map_batches(attach_standing(reading, hashed), judge, schema)) as judged:
        if isinstance(judged, pl.DataFrame):
            yield mark(judged)
            return
        (row,) = collect_rows(reshape(judged, landing_queries.repeats_of(_content_key(reading))))
        if row["rows"] == row["keys"]:
            yield judged
            return
        with persisted(lake.map_groups(bucketed(judged), ["bucket"], mark, schema)) as marked:
            yield marked


def _content_key(reading: Reading) -> tuple[str, ...]:
    """Return the columns that two rows share when they must be compared with one another."""
    if reading.kind is not BARS:
        return ("record_hash",)
    return ("symbol", "session") if reading.by_content else ("symbol", "session", "received_at")


def attach_standing(reading: Reading, records: Frame) -> Frame:
    """Return the records with what bronze holds of each (`steps.STANDING`), nulls where it holds nothing.

    A key of bars is symbol and session as they were sent. A feed whose records carry their stamp is asked for
    the hash itself, and for the key only where a history load must know whether bronze lacks it.
    """
    lake, source = reading.context.lake, reading.feed.source.name
    if not lake.exists(reading.bronze):
        return _without_standing(records)
    scope = landing_queries.of_source(source)
    if isinstance(records, pl.DataFrame):
        scope = f"{scope} and ({_near(records, reading)})"
    if reading.by_content:
        return _join(
            reading, records, landing_queries.standing_bars(reading.bronze, scope), ("symbol", "session")
        )
    hashes = landing_queries.landed_hashes(reading.bronze, scope)
    known = _join(reading, records, hashes, ("record_hash",))
    if reading.kind is not BARS or not (reading.sessions.history and reading.observation.closed_until):
        return known
    keys = landing_queries.landed_keys(reading.bronze, scope)
    keyed = reshape(known, landing_queries.without(known.columns, ("last_known_at", "in_bronze")))
    return _join(reading, keyed, keys, ("symbol", "session"))


def _join(reading: Reading, records: Frame, query: str, on: tuple[str, ...]) -> Frame:
    """Return the records with the columns of a query that holds each key once."""
    lake = reading.context.lake
    standing = (
        lake.collect_query_if_small(query, reading.bronze) if isinstance(records, pl.DataFrame) else None
    )
    if isinstance(records, pl.DataFrame) and isinstance(standing, pl.DataFrame):
        joined = records.join(standing, on=list(on), how="left", maintain_order="left")
        return joined.with_columns(pl.col("in_bronze").fill_null(value=False))
    spread = lake.distribute(records, records.schema) if isinstance(records, pl.DataFrame) else records
    joined_there = spread.join(lake.scan_query(query, reading.bronze), on=list(on), how="left")
    kept = [name for name in joined_there.columns if name != "in_bronze"]
    return joined_there.selectExpr(*kept, "coalesce(in_bronze, false) as in_bronze")


def _without_standing(records: Frame) -> Frame:
    if isinstance(records, pl.DataFrame):
        absent = {name: pl.lit(None, dtype) for name, dtype in steps.STANDING.items()}
        return records.with_columns(**absent | {"in_bronze": pl.lit(value=False)})
    return records.selectExpr("*", *landing_queries.NO_STANDING)


def _near(records: pl.DataFrame, reading: Reading) -> str:
    """Return the condition of the bronze rows that records of this process can repeat."""
    days: Any = reading.kind.parse(records)
    day = "day" if "day" in days.columns else "published"
    dates = days[day].drop_nulls().cast(pl.Date)
    if dates.is_empty():
        return "session_date is null"
    return queries.dated_between(dates.min() - NEAR, dates.max() + NEAR)


def _check_stamps(reading: Reading, judged: Frame, facts: pl.DataFrame) -> None:
    """Stop the first load of a history whose stamps tell when it was published again."""
    trailing, records = facts["trailing"].sum(), facts["records"].sum()
    if reading.past.covered or not trailing or 2 * trailing <= records:
        return
    examples = collect_rows(reshape(judged, landing_queries.trailing_rows(SHOWN)))
    rows = "; ".join(
        f"{row['symbol']} {row['session_date']} received {row['received_at']}" for row in examples
    )
    name = reading.feed.source.name
    msg = (
        f"sources.{name}: {trailing} of {records} {reading.feed.kind} were stamped more than "
        f"{steps.TRAILING.days} days after the event ({rows}): a history that was published again, not "
        f"arrivals; set sources.{name}.stamps_from to the day from which the stamps count"
    )
    raise SettingsError(msg)


def _quarantine(
    reading: Reading, judged: Frame, batch_id: str, overfull: Sequence[int], facts: pl.DataFrame
) -> int:
    """Write what is refused to quarantine, once, and return how many records it is."""
    if not facts["refused"].sum() and not facts["repeated"].sum():
        return 0
    lake = reading.context.lake
    columns = list(steps.judged_schema(reading.bronze))
    marked = reshape(judged, landing_queries.refused_rows(columns, batch_id, overfull))
    step = partial(steps.quarantined, kind=reading.kind)
    rows = lake.map_groups(bucketed(marked), ["bucket"], step, OPS_QUARANTINE.schema)
    with persisted(rows) as refused:
        lake.insert_absent(OPS_QUARANTINE, refused, scope=queries.equals("batch_id", batch_id))
        return int(collect_rows(reshape(refused, landing_queries.DISTINCT_RECORDS))[0]["records"])
