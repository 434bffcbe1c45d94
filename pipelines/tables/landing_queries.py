"""What ingest asks of the records that it judges and of those that have landed, as SQL text.

As in `pipelines.tables.queries`; ``{rows}`` stands for a frame, for `pipelines.io.frames.reshape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipelines.base.table import TableContract
from pipelines.tables.queries import equals, instant_literal, named

REFUSED = "broken is not null or conflicting"
"""Of judged records: they break a rule of their contract or contradict a better one."""

DELIVERY_FACTS = f"""
select delivery, place, sum(copies) as records,
  sum(case when {REFUSED} then 1 else 0 end) as refused,
  sum(case when copies > 1 and fresh then 1 else 0 end) as repeated,
  sum(case when trailing then 1 else 0 end) as trailing,
  sum(case when fresh then 1 else 0 end) as fresh
from {{rows}} group by delivery, place
"""
"""Of judged records: what each delivery holds, how much of it is refused, repeated, late and new."""

DISTINCT_RECORDS = "select count(distinct record_hash) as records from {rows}"

NO_STANDING = (
    "cast(null as string) as standing_hash", "cast(null as timestamp) as standing_at",
    "cast(null as timestamp) as last_known_at", "false as in_bronze",
)  # fmt: skip
"""What bronze holds of a record while it holds nothing."""

_KNOWN = "case when delivery is null then received_at else known_at end"
"""When a bronze record counts as known; rows of an earlier version said it in `received_at`."""


def _among(column: str, places: Sequence[int]) -> str:
    return f"{column} in ({', '.join(map(str, places))})" if places else "false"


def landing_rows(bronze: TableContract, batch_id: str) -> str:
    """Return the query for the bronze rows of judged records that are new."""
    columns = [named(name, batch_id) if name == "batch_id" else name for name in bronze.columns]
    return f"select {', '.join(columns)} from {{rows}} where fresh"


FRESH_SESSIONS = "select count(distinct session_date) as sessions from {rows} where fresh"


def refused_rows(columns: Sequence[str], batch_id: str, whole: Sequence[int]) -> str:
    """Return the query for judged records that are refused or repeated, with their batch.

    Parameters
    ----------
    whole : sequence of int
        Places of deliveries that are refused whole: theirs alone are returned. Without any, all that are new:
        what repeats a record that was refused before is left out.
    """
    wanted = [named(name, batch_id) if name == "batch_id" else name for name in columns]
    scope = _among("place", whole) if whole else "fresh"
    return f"select {', '.join(wanted)} from {{rows}} where ({REFUSED} or copies > 1) and {scope}"


def repeats_of(key: Sequence[str]) -> str:
    """Return the query for the number of rows and of different keys of a distributed frame."""
    return f"select count(*) as rows, count(distinct struct({', '.join(key)})) as keys from {{rows}}"


def trailing_rows(limit: int) -> str:
    """Return the query for some records whose stamp comes long after their event."""
    return (
        "select symbol, session_date, received_at from {rows} where trailing "
        f"order by session_date, symbol limit {limit}"
    )


def without(columns: Sequence[str], dropped: Sequence[str]) -> str:
    """Return the query for a frame's columns without some of them."""
    return f"select {', '.join(name for name in columns if name not in dropped)} from {{rows}}"


def of_source(source: str) -> str:
    """Return the condition of the rows of one feed."""
    return equals("source", source)


def standing_records(bronze: TableContract, scope: str, key: Sequence[str]) -> str:
    """Return the query for the record that each key stands on, and when it was last known."""
    keys = ", ".join(key)
    said_at = "coalesce(delivered_at, received_at)"
    place = (
        f"row_number() over (partition by {keys} order by {said_at} desc, delivery desc, "
        "record_hash desc) as place"
    )
    known = f"max({_KNOWN}) over (partition by {keys}) as last_known_at"
    ranked = f"select {keys}, record_hash, {said_at} as standing_at, {known}, {place}"
    # What was refused for its hour alone has said nothing yet: the same words count when it comes again.
    timely = "(known_at is not null or delivery is null)"
    return (
        f"select {keys}, record_hash as standing_hash, standing_at, last_known_at, true as in_bronze "
        f"from ({ranked} from {bronze.alias} where {scope} and {timely}) as ranked where place = 1"
    )


def landed_hashes(bronze: TableContract, scope: str) -> str:
    """Return the query for the different records within a scope, each with when it was last known."""
    return (
        "select record_hash, record_hash as standing_hash, max(delivered_at) as standing_at, "
        f"max({_KNOWN}) as last_known_at, true as in_bronze "
        f"from {bronze.alias} where {scope} group by record_hash"
    )


def landed_keys(bronze: TableContract, scope: str, key: Sequence[str]) -> str:
    """Return the query for the keys of a scope, as sent, each with when it was last known."""
    keys = ", ".join(key)
    return (
        f"select {keys}, max({_KNOWN}) as last_known_at, true as in_bronze "
        f"from {bronze.alias} where {scope} group by {keys}"
    )


def of_batch(batch_id: str) -> str:
    """Return the condition of the records of one batch."""
    return equals("batch_id", batch_id)


def size_and_first_known(bronze: TableContract, scope: str) -> str:
    """Return the query for ``rows`` within a scope, and when the ``first`` of them counts as known."""
    return f"select count(*) as rows, min({_KNOWN}) as first from {bronze.alias} where {scope}"


def cut_since(moment: datetime) -> str:
    """Return the condition of the forecasts whose cut is not earlier than an instant."""
    return f"cutoff_at >= {instant_literal(moment)}"


def accepted_symbols(bronze: TableContract, quarantine: TableContract, source: str, days: str) -> str:
    """Return the query for the (session, symbol) of which bronze holds a record that nothing refuses.

    Parameters
    ----------
    days : str
        Condition over ``session_date``.
    """
    refused = (
        f"select distinct batch_id, record_hash from {quarantine.alias} "
        "where rule not in ('duplicate', 'conflicting_duplicate')"
    )
    return (
        f"select distinct b.session_date as session, b.symbol from {bronze.alias} as b "
        f"left join ({refused}) as q on b.batch_id = q.batch_id and b.record_hash = q.record_hash "
        f"where b.{of_source(source)} and ({days}) and q.record_hash is null "
        "and (b.known_at is not null or b.delivery is null)"
    )
