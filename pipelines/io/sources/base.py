"""What a source of bars and texts promises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pipelines.io.sources.params import PriceBasis

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql import types as T

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


@runtime_checkable
class Source(Protocol):
    """A feed of bars and texts, delivered as sent.

    Every column is a string, whatever it was in the feed, and no value is repaired; only dates
    and instants that can be read are written in one notation (``2024-01-31`` and
    `INSTANT_PATTERN`). A row whose date cannot be read belongs to no window, so it comes
    with every read: its content hash makes it one record downstream, where it is refused.
    Other columns than the contract's, personal fields among them, are never read.

    Attributes
    ----------
    name : str
    price_basis : {"raw", "split", "total_return"}
        What has been done to the prices.
    calendar, timezone : str
        Exchange calendar and IANA time zone of the bars.
    delivers_received_at : bool
        True: rows are selected by `received_at`; False: by session.
    """

    @property
    def name(self) -> str: ...
    @property
    def price_basis(self) -> PriceBasis: ...
    @property
    def calendar(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def delivers_received_at(self) -> bool: ...

    def read_bars(self, spark: SparkSession, request: ReadRequest) -> DataFrame:
        """Return the bars of the window as strings: `BAR_COLUMNS`, one row a record sent."""
        ...

    def read_texts(self, spark: SparkSession, request: ReadRequest) -> DataFrame | None:
        """Return the texts of the window as strings: `TEXT_COLUMNS`; None if the source has none."""
        ...


def string_schema(columns: tuple[str, ...]) -> T.StructType:
    """Return a Spark schema of nullable strings."""
    # Whoever reads settings imports this module, and most of them use no Spark.
    from pyspark.sql import types as T

    return T.StructType([T.StructField(name, T.StringType()) for name in columns])
