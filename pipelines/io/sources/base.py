"""What a source of bars, actions and texts promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, runtime_checkable

import polars as pl

from pipelines.base.frames import Frame
from pipelines.io.sources.params import PriceBasis

REQUIRED_BAR_COLUMNS = ("symbol", "session", "open", "high", "low", "close", "volume")
OPTIONAL_BAR_COLUMNS = ("adjusted_close", "dividend", "split", "received_at")
BAR_COLUMNS = REQUIRED_BAR_COLUMNS + OPTIONAL_BAR_COLUMNS

REQUIRED_ACTION_COLUMNS = ("symbol", "session", "kind", "value")
OPTIONAL_ACTION_COLUMNS = ("received_at",)
ACTION_COLUMNS = REQUIRED_ACTION_COLUMNS + OPTIONAL_ACTION_COLUMNS

REQUIRED_TEXT_COLUMNS = ("symbol", "published_at", "text")
OPTIONAL_TEXT_COLUMNS = ("origin", "received_at")
TEXT_COLUMNS = REQUIRED_TEXT_COLUMNS + OPTIONAL_TEXT_COLUMNS

INSTANT_PATTERN = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
"""How an instant that could be read is written (Spark pattern): UTC, ISO 8601, microseconds."""
INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"
"""The same in the notation of Polars."""
INSTANT_COLUMNS = ("received_at", "published_at")


class NotPlain(Exception):
    """What stands somewhere is not known to be read alike in this process and in the distributed engine."""


def write_instant(instant: datetime) -> str:
    """Return an instant as every source writes one that it could read."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Arrival = Literal["column", "object_time", "file_name", "none"]
"""Where a feed says when a record arrived: in a column, by its delivery's time or name, or nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """What one ingest asks of a feed: the half-open window ``(after, until]``.

    Attributes
    ----------
    after, until : datetime
        Instants in UTC. A source that is asked by window answers with what *arrived* in it, whatever session
        it is about. A source of files takes no notice: a new or changed file is read whole.

    Raises
    ------
    ValueError
        If the window is empty or an instant has no time zone.
    """

    after: datetime
    until: datetime

    def __post_init__(self) -> None:
        for name in ("after", "until"):
            instant = getattr(self, name)
            if instant.tzinfo is None:
                msg = f"{name}={instant!r} has no time zone; give an aware datetime in UTC"
                raise ValueError(msg)
        if self.after >= self.until:
            msg = f"after={self.after} must be before until={self.until}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One file or response of a feed.

    Attributes
    ----------
    id : str
        Name, time and size in one text: the same bytes are the same delivery. It stands on each record beside
        the feed's name, and in the batch's identity. Sorted, ids follow one another as the names do.
    name : str
        File or request as a person names it.
    at : datetime
        When the file was last written or the response given, in UTC. A feed's deliveries follow one another
        by time, then name.
    size : int
        Bytes; 0 where there are none.
    """

    id: str
    name: str
    at: datetime
    size: int = 0


def identify_delivery(name: str, at: datetime, size: int = 0) -> Delivery:
    """Return a delivery, identified by all that is said of it."""
    instant = at.astimezone(UTC)
    return Delivery(id=f"{name}|{instant.isoformat()}|{size}", name=name, at=instant, size=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """What a source declares of one kind of record.

    Attributes
    ----------
    calendar, timezone : str
        Exchange calendar, and IANA time zone of its dates and of instants written without one.
    price_basis : {"raw", "split", "total_return"} or None
        What has been done to the prices; None for records that have none.
    stamps_from : datetime or None
        First instant from which arrival times count: a history that was published again carries the day of
        its re-publication, which says nothing of when a record could first be had.
    by_window : bool
        Whether it answers a window at a time, so that one which was read has nothing new; files are listed.
    read_by : str
        Digest of the settings by which a delivery is read: one that was refused is judged again under others.
    """

    calendar: str
    timezone: str
    price_basis: PriceBasis | None = None
    stamps_from: datetime | None = None
    by_window: bool = True
    read_by: str = ""


@runtime_checkable
class Source(Protocol):
    """Feeds of some kinds of record (``bars``, ``actions``, ``texts``), delivered as sent.

    Every column is a string, whatever it was in the feed, and no value is repaired; only dates
    and instants that can be read are written in one notation (``2024-01-31`` and
    `INSTANT_PATTERN`). Other columns than the contract's, personal fields among them, are never read.

    Attributes
    ----------
    name : str
        Its key in the settings. It stands on each record and in each batch's identity, so a name once
        used stays that source's.
    provides : mapping of kind of record to Provision
        A kind that is not there is not delivered.
    """

    @property
    def name(self) -> str: ...
    @property
    def provides(self) -> Mapping[str, Provision]: ...

    def arrival(self, kind: str) -> Arrival | None:
        """Tell where the feed says when a record arrived; None while there is nothing to tell it by.

        Not a part of `provides`, because a source may have to look into its files for the answer.
        """
        ...

    def lists_here(self, kind: str) -> bool:
        """Tell whether listing needs neither the distributed engine nor a read: it may be asked often."""
        ...

    def list_deliveries(self, kind: str, request: ReadRequest) -> list[Delivery]:
        """Return what there is to be read, in order, without opening it: all files, or one response.

        Raises
        ------
        UnavailableError
            If the place where the deliveries lie does not answer.
        ContractViolation
            If what lies there cannot be one feed's deliveries.
        """
        ...

    def check(self, kind: str, delivery: Delivery) -> str | None:
        """Return why a delivery cannot be read as this kind of record (empty, torn, no header), else None."""
        ...

    def read(self, kind: str, deliveries: Sequence[Delivery], request: ReadRequest) -> Frame:
        """Return the records of some deliveries, one row a record sent.

        Parameters
        ----------
        deliveries : sequence of Delivery
            Of `list_deliveries` for the same request, all of which `check` accepts.

        Returns
        -------
        Frame
            In this process or in the distributed engine: `BAR_COLUMNS`, `ACTION_COLUMNS` or `TEXT_COLUMNS`
            and ``delivery`` (its id), all strings, null where nothing was sent; in any order, repeats
            included. A delivery without records is no fault.

        Raises
        ------
        UnavailableError
            If the place where the records lie does not answer.
        ContractViolation
            If what lies there cannot be understood as this kind of record.
        """
        ...


@runtime_checkable
class ReadsInParts(Protocol):
    """A source that can also hand out many records without the distributed engine."""

    def read_parts(
        self, kind: str, deliveries: Sequence[Delivery], request: ReadRequest
    ) -> Iterable[pl.DataFrame] | None:
        """Return what `read` returns, a part at a time in this process each time it is iterated.

        None where `read` is to be asked: the records are few, elsewhere, or too many even so. While it is
        iterated it raises `NotPlain` where `read` alone can tell what stands there.
        """
        ...
