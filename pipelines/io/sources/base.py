"""What a source of bars and texts promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from pipelines.base.frames import Frame
from pipelines.io.sources.params import PriceBasis

REQUIRED_BAR_COLUMNS = ("symbol", "session", "open", "high", "low", "close", "volume")
OPTIONAL_BAR_COLUMNS = ("adjusted_close", "dividend", "split", "received_at")
BAR_COLUMNS = REQUIRED_BAR_COLUMNS + OPTIONAL_BAR_COLUMNS

REQUIRED_TEXT_COLUMNS = ("symbol", "published_at", "text")
OPTIONAL_TEXT_COLUMNS = ("origin", "received_at")
TEXT_COLUMNS = REQUIRED_TEXT_COLUMNS + OPTIONAL_TEXT_COLUMNS

INSTANT_PATTERN = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
"""How an instant that could be read is written (Spark pattern): UTC, ISO 8601, microseconds."""
INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"
"""The same in the notation of Polars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """What one ingest asks of a source.

    Attributes
    ----------
    first_session, last_session : date
        Sessions wanted, both included. A source that does not deliver `received_at` selects by them.
    received_after, received_until : datetime
        Instants in UTC. A source that delivers `received_at` selects rows with
        ``received_after < received_at <= received_until``; its rows may be of any session, a late
        correction of an old bar among them. None means from the exchange's midnight before
        `first_session`, so that a bulk read and the same days read one by one give the same rows.

    Raises
    ------
    ValueError
        If the window is empty or an instant has no time zone.
    """

    first_session: date
    last_session: date
    received_after: datetime | None
    received_until: datetime

    def __post_init__(self) -> None:
        if self.first_session > self.last_session:
            msg = f"first_session={self.first_session} must not be after last_session={self.last_session}"
            raise ValueError(msg)
        for name in ("received_after", "received_until"):
            instant = getattr(self, name)
            if instant is not None and instant.tzinfo is None:
                msg = f"{name}={instant!r} has no time zone; give an aware datetime in UTC"
                raise ValueError(msg)

    def arrivals_after(self, timezone: str) -> datetime:
        """Return the instant in UTC after which arrivals are wanted, for an exchange of this time zone."""
        if self.received_after is not None:
            return self.received_after
        midnight = datetime.combine(self.first_session, time.min, tzinfo=ZoneInfo(timezone))
        return midnight.astimezone(UTC) - timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """What a source declares of one kind of record.

    Attributes
    ----------
    calendar, timezone : str
        Exchange calendar, and IANA time zone of its dates.
    price_basis : {"raw", "split", "total_return"} or None
        What has been done to the prices; None for records that have none.
    """

    calendar: str
    timezone: str
    price_basis: PriceBasis | None = None


@runtime_checkable
class Source(Protocol):
    """A feed of some kinds of record (``bars``, ``texts``), delivered as sent.

    Every column is a string, whatever it was in the feed, and no value is repaired; only dates
    and instants that can be read are written in one notation (``2024-01-31`` and
    `INSTANT_PATTERN`). A row whose date cannot be read belongs to no window, so it comes
    with every read: its content hash makes it one record downstream, where it is refused.
    Other columns than the contract's, personal fields among them, are never read.

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

    def delivers_received_at(self, kind: str) -> bool:
        """Tell whether rows of a kind are selected by `received_at` (True) or by session (False).

        Not a part of `provides`, because a source may have to look into its files for the answer.
        """
        ...

    def read(self, kind: str, request: ReadRequest) -> Frame | None:
        """Return the records of the window, one row a record sent; None of a kind that it does not provide.

        Returns
        -------
        Frame
            In this process or in the distributed engine: `BAR_COLUMNS` or `TEXT_COLUMNS`, all strings,
            null where nothing was sent; in any order, repeats included.

        Raises
        ------
        UnavailableError
            If the place where the records lie does not answer.
        ContractViolation
            If what lies there cannot be understood as this kind of record.
        """
        ...
