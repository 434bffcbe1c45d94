"""Land what one feed has delivered: of new deliveries what is new, in one batch and one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipelines.base.digest import digest_of
from pipelines.base.errors import ContractViolation, SettingsError
from pipelines.io.frames import collect_rows, persisted, reshape
from pipelines.io.sources import Delivery
from pipelines.stages.ingest import steps
from pipelines.stages.ingest.judged_batch import Batch, open_batch
from pipelines.stages.ingest.params import IngestParams
from pipelines.stages.ingest.reading import Reading
from pipelines.tables import landing_queries, queries
from pipelines.tables.contracts import OPS_QUARANTINE
from pipelines.tables.scope import bucketed


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
    params = reading.context.params(IngestParams)
    with open_batch(reading, deliveries) as batch:
        facts = batch.facts
        _check_stamps(reading, batch)
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
        refused = _quarantine(reading, batch, batch_id, overfull)
        if not overfull:
            _append(reading, batch, batch_id)
            return Landing(
                records=int(facts["records"].sum()),
                landed=int(facts["fresh"].sum()),
                refused=refused,
                sessions=batch.count_sessions(),
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


def _append(reading: Reading, batch: Batch, batch_id: str) -> None:
    """Append what is new in one commit."""
    if batch.facts["fresh"].sum():
        txn = f"{reading.feed.source.name}:{reading.feed.kind}:{batch_id}"
        batch.append(landing_queries.landing_rows(reading.bronze, batch_id), txn=txn)


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


def _check_stamps(reading: Reading, batch: Batch) -> None:
    """Stop the first load of a history whose stamps tell when it was published again."""
    facts = batch.facts
    trailing, records = facts["trailing"].sum(), facts["records"].sum()
    if reading.past.covered or not trailing or 2 * trailing <= records:
        return
    examples = batch.find_trailing()
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


def _quarantine(reading: Reading, batch: Batch, batch_id: str, overfull: Sequence[int]) -> int:
    """Write what is refused to quarantine, once, and return how many records it is."""
    if not batch.facts["refused"].sum() and not batch.facts["repeated"].sum():
        return 0
    lake = reading.context.lake
    columns = list(steps.judged_schema(reading.bronze))
    marked = batch.find_refused(landing_queries.refused_rows(columns, batch_id, overfull))
    step = partial(steps.quarantined, kind=reading.kind)
    rows = lake.map_groups(bucketed(marked), ["bucket"], step, OPS_QUARANTINE.schema)
    with persisted(rows) as refused:
        lake.insert_absent(OPS_QUARANTINE, refused, scope=queries.equals("batch_id", batch_id))
        return int(collect_rows(reshape(refused, landing_queries.DISTINCT_RECORDS))[0]["records"])
