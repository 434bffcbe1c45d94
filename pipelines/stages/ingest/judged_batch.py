"""The records of some deliveries, judged: as one frame, or a part at a time in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, Protocol

import polars as pl

from pipelines.base.ahead import made_ahead
from pipelines.base.errors import ContractViolation, TransientError
from pipelines.base.frames import Frame
from pipelines.io.frames import collect_rows, conform, persisted, reshape
from pipelines.io.sources import Delivery, NotPlain, ReadsInParts
from pipelines.stages.ingest import steps
from pipelines.stages.ingest.comparison_with_bronze import attach_standing
from pipelines.stages.ingest.dating import Dating
from pipelines.stages.ingest.overlap import count_repeats, mark_overlap, merge_counts
from pipelines.stages.ingest.params import IngestParams
from pipelines.stages.ingest.reading import Reading
from pipelines.tables import landing_queries, queries
from pipelines.tables.scope import bucketed

log = logging.getLogger(__name__)

SHOWN = 3


class Batch(Protocol):
    """Judged records; queries are over the columns of `steps.judged_schema`."""

    @property
    def facts(self) -> pl.DataFrame:
        """What each delivery holds: `steps.FACTS`."""
        ...

    def find_trailing(self) -> list[dict[str, Any]]:
        """Return some records whose stamp comes long after their event."""
        ...

    def find_refused(self, query: str) -> Frame:
        """Return the rows of a query that asks for refused or repeated records alone."""
        ...

    def append(self, query: str, *, txn: str) -> None:
        """Append to bronze what a query finds, in one commit."""
        ...

    def count_sessions(self) -> int:
        """Return of how many sessions there is something new."""
        ...


@contextmanager
def open_batch(reading: Reading, deliveries: Sequence[Delivery]) -> Iterator[Batch]:
    """Yield the judged records of some deliveries, repeats marked.

    In this process they are held whole if they are few; else they are read a part at a time where the source
    can and nothing much is in the way, and by the distributed engine where not.
    """
    judging = build_judging(reading, deliveries)
    if (streamed := _open_streamed(reading, deliveries, judging)) is not None:
        yield streamed
        return
    with _judged(reading, deliveries, judging) as judged:
        yield FrameBatch(reading, judged)


def _open_streamed(
    reading: Reading, deliveries: Sequence[Delivery], judging: steps.Judging
) -> StreamedBatch | None:
    source, lake = reading.feed.source, reading.context.lake
    if not lake.reads_here or not isinstance(source, ReadsInParts):
        return None
    parts = source.read_parts(reading.kind.name, deliveries, reading.window.request)
    if parts is None:
        return None
    try:
        return StreamedBatch(reading, parts, judging)
    except (NotPlain, TooManyError) as why:
        log.info("left to Spark: %s", why)
        return None


class TooManyError(Exception):
    """More rows have to be held than this process is to hold."""


class FrameBatch:
    """A batch whose judged records are one frame."""

    def __init__(self, reading: Reading, judged: Frame) -> None:
        self._reading, self._judged = reading, judged

    @cached_property
    def facts(self) -> pl.DataFrame:
        """See `Batch.facts`."""
        rows = collect_rows(reshape(self._judged, landing_queries.DELIVERY_FACTS))
        return pl.DataFrame(rows, schema=steps.FACTS)

    def find_trailing(self) -> list[dict[str, Any]]:
        """See `Batch.find_trailing`."""
        return collect_rows(reshape(self._judged, landing_queries.trailing_rows(SHOWN)))

    def find_refused(self, query: str) -> Frame:
        """See `Batch.find_refused`."""
        return reshape(self._judged, query)

    def append(self, query: str, *, txn: str) -> None:
        """See `Batch.append`."""
        reading = self._reading
        reading.context.lake.append(reading.bronze, reshape(self._judged, query), txn=txn)

    def count_sessions(self) -> int:
        """See `Batch.count_sessions`."""
        (counted,) = collect_rows(reshape(self._judged, landing_queries.FRESH_SESSIONS))
        return int(counted["sessions"])


class StreamedBatch:
    """A batch that is read a part at a time in this process: to be judged, and again to be landed.

    Held are, of every record, the hash of its key and what it was found to be; whole only the records that
    something is wrong with, and those that share their key and must be compared with one another. Of each
    delivery and symbol it is counted how many repeat what stands.

    Raises
    ------
    NotPlain
        If the engine alone can tell what stands in a file.
    TooManyError
        If so many would have to be held whole, or compared with what bronze holds, that the engine should.
    """

    def __init__(self, reading: Reading, parts: Iterable[pl.DataFrame], judging: steps.Judging) -> None:
        self._reading, self._parts, self._judging = reading, parts, judging
        self._key = pl.struct(content_key(reading)).hash()
        self._content = (0, 0)
        self._repeats = count_repeats(pl.DataFrame(schema=steps.judged_schema(reading.bronze)))
        seen, broken, self._trailing = self._survey()
        shared = seen["key"].is_duplicated()
        self._shared = seen["key"].filter(shared).unique()
        repeats = self._gather(self._shared) if len(self._shared) else broken.clear()
        marked = conform(steps.mark_repeats(repeats, judging), broken.schema)
        # What was counted of them alone is counted anew now that they are compared with one another.
        self._repeats = merge_counts(self._repeats, count_repeats(marked), less=count_repeats(repeats))
        alone = broken.filter(~self._key.is_in(self._shared.implode()))
        self._marked, self._odd = marked, pl.concat([alone, marked])
        self._found = pl.concat([seen.filter(~shared).drop("key"), _found(marked)])

    def _survey(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """Judge every part; return what each record is, the broken ones, and some that trail."""
        none = pl.DataFrame(schema=steps.judged_schema(self._reading.bronze))
        seen, broken, trailing = [_found(none, self._key.alias("key"))], [none], [none]
        for judged in self._judge_parts():
            self._content = _add(self._content, judged)
            self._repeats = merge_counts(self._repeats, count_repeats(judged))
            seen.append(_found(judged, self._key.alias("key")))
            broken.append(judged.filter(pl.col("broken").is_not_null()))
            trailing.append(judged.filter("trailing").sort("session_date", "symbol").head(SHOWN))
            self._check_size(broken)
        return pl.concat(seen), pl.concat(broken), pl.concat(trailing)

    def _gather(self, shared: pl.Series) -> pl.DataFrame:
        """Return the records that share their key with another one."""
        found: list[pl.DataFrame] = []
        for judged in self._judge_again():
            found.append(judged.filter(self._key.is_in(shared.implode())))
            self._check_size(found)
        return pl.concat(found)

    def _check_size(self, held: Sequence[pl.DataFrame]) -> None:
        if sum(part.height for part in held) > self._reading.context.lake.local_rows:
            msg = "too many records are refused or repeated to be held in this process"
            raise TooManyError(msg)

    def _judge_parts(self) -> Iterator[pl.DataFrame]:
        schema = steps.judged_schema(self._reading.bronze)
        for hashed in made_ahead(self._hash_parts()):
            standing = attach_standing(self._reading, hashed)
            if not isinstance(standing, pl.DataFrame):
                msg = "bronze holds too much that the records have to be compared with"
                raise TooManyError(msg)
            yield conform(steps.judge_records(standing, self._judging), schema)

    def _hash_parts(self) -> Iterator[pl.DataFrame]:
        columns, stamped = self._reading.kind.columns, self._reading.arrival == "column"
        return (steps.hash_records(part, columns, stamped=stamped) for part in self._parts)

    @cached_property
    def facts(self) -> pl.DataFrame:
        """See `Batch.facts`."""
        counted = reshape(self._found, landing_queries.DELIVERY_FACTS)
        places = list(range(len(self._judging.delivered)))
        named = pl.col("place").replace_strict(places, list(self._judging.delivered), return_dtype=pl.String)
        return conform(counted.with_columns(named.alias("delivery")), steps.FACTS)

    def find_trailing(self) -> list[dict[str, Any]]:
        """See `Batch.find_trailing`."""
        return collect_rows(reshape(self._trailing, landing_queries.trailing_rows(SHOWN)))

    def find_refused(self, query: str) -> pl.DataFrame:
        """See `Batch.find_refused`."""
        return reshape(self._odd, query)

    def append(self, query: str, *, txn: str) -> None:
        """See `Batch.append`."""
        self._reading.context.lake.append_parts(self._reading.bronze, self._select(query), txn=txn)

    def _select(self, query: str) -> Iterator[pl.DataFrame]:
        """Yield what a query finds in every part."""
        for judged in self._judge_again():
            alone = judged.filter(~self._key.is_in(self._shared.implode()))
            yield reshape(mark_overlap(alone, self._repeats), query)
        yield reshape(mark_overlap(self._marked, self._repeats), query)

    def _judge_again(self) -> Iterator[pl.DataFrame]:
        """Yield every part once more.

        Raises
        ------
        TransientError
            If they are no longer what they were: a file was written anew meanwhile.
        """
        content, feed = (0, 0), self._reading.feed
        msg = f"files of sources.{feed.source.name} changed while their {feed.kind} were read; try again"
        try:
            for judged in self._judge_parts():
                content = _add(content, judged)
                yield judged
        except (NotPlain, TooManyError, ContractViolation, OSError) as error:
            raise TransientError(msg) from error
        if content != self._content:
            raise TransientError(msg)

    def count_sessions(self) -> int:
        """See `Batch.count_sessions`."""
        return int(reshape(self._found, landing_queries.FRESH_SESSIONS)["sessions"][0])


def _found(judged: pl.DataFrame, *more: pl.Expr) -> pl.DataFrame:
    """Return what a record was found to be, in few bytes: what is counted of a batch."""
    broken = pl.when(pl.col("broken").is_not_null()).then(pl.lit(value=True))
    few = ("place", "copies", "conflicting", "trailing", "fresh", "session_date")
    return judged.select(*more, broken.alias("broken"), pl.col("place").alias("delivery"), *few)


def _add(content: tuple[int, int], judged: pl.DataFrame) -> tuple[int, int]:
    """Return number and summed hashes of records, in whatever order they come."""
    said = pl.struct("place", "record_hash").hash() % 2**32
    return content[0] + judged.height, content[1] + judged.select(said.sum()).item()


def build_judging(reading: Reading, deliveries: Sequence[Delivery]) -> steps.Judging:
    """Return what the records of some deliveries are judged by."""
    context, params = reading.context, reading.context.params(IngestParams)
    calendar = context.calendar
    closes = calendar.frame(calendar.first, calendar.last)
    dating = Dating(
        observation=reading.observation,
        stamped=reading.arrival != "none",
        lag=params.lag(reading.feed.kind),
        covered=reading.past.covered,
        missing=reading.past.missing,
        stamps_from=reading.feed.provision.stamps_from,
        history=reading.sessions.history,
        known_symbols=_known_symbols(reading),
        ahead=reading.kind.ahead,
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
    """Yield the judged records as one frame, repeats marked."""
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
            marked_here = mark(judged)
            yield mark_overlap(marked_here, count_repeats(marked_here))
            return
        (row,) = collect_rows(reshape(judged, landing_queries.repeats_of(content_key(reading))))
        if row["rows"] == row["keys"]:
            yield judged
            return
        with persisted(lake.map_groups(bucketed(judged), ["bucket"], mark, schema)) as marked:
            yield marked


def content_key(reading: Reading) -> tuple[str, ...]:
    """Return the columns that two rows share when they must be compared with one another."""
    key = reading.kind.key
    if not key:
        return ("record_hash",)
    return key if reading.by_content else (*key, "received_at")
