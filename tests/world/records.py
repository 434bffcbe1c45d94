"""What passes between the player and the reference: records as sent, deliveries, and what was run when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

PRICES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, order=True)
class Bar:
    """One row of a vendor's file of bars; prices as the vendor prints them, no stamp for a feed without."""

    symbol: str
    session: date
    prices: tuple[str, str, str, str, str]
    received_at: str | None = None

    @property
    def key(self) -> tuple[str, date]:
        """What the row is about."""
        return self.symbol, self.session


@dataclass(frozen=True, order=True)
class Text:
    """One row of a vendor's file of texts."""

    symbol: str
    published_at: str
    text: str
    received_at: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What the row is about."""
        return self.symbol, self.published_at, self.text


@dataclass(frozen=True)
class Delivery:
    """One file as a vendor left it: under which name, when, and the time that the file itself bears.

    Attributes
    ----------
    feed : str
        Source that it belongs to.
    kind : {"bars", "texts"}
    name : str
        Name in the feed's folder; a later delivery of the same name takes its place.
    written_at : datetime
        When it can first be seen.
    object_time : datetime
        Time that the file bears; by it the deliveries of a feed are ordered, then by name.
    records : tuple
        Rows of the file.
    stamped : bool
        Whether the file has a column of stamps.
    garbage : bool
        Whether the file is no table at all.
    """

    feed: str
    kind: Literal["bars", "texts"]
    name: str
    written_at: datetime
    object_time: datetime
    records: tuple[Bar | Text, ...]
    stamped: bool = False
    garbage: bool = False

    @property
    def order(self) -> tuple[datetime, str]:
        """Where it stands among the deliveries of its feed."""
        return self.object_time, self.name


@dataclass(frozen=True)
class Poll:
    """One run of the command line.

    Attributes
    ----------
    clock : datetime
        The present, as the run was told it.
    first, last : date
        Sessions asked for; one and the same day for a daily run.
    history : bool
        Whether it was a bulk load.
    struck : bool
        Whether it died after its records were committed and before its own row was.
    closes : bool
        Whether, once ingested, the session was forecast, published or trained on.
    """

    clock: datetime
    first: date
    last: date
    history: bool = False
    struck: bool = False
    closes: bool = False


@dataclass(frozen=True)
class FeedRules:
    """What the settings say of one feed."""

    name: str
    kind: Literal["bars", "texts"]
    stamped: bool
    primary: bool = True
    stamps_from: date | None = None


@dataclass(frozen=True)
class Version:
    """One version that a reader may see: of a bar, or of a text."""

    source: str
    symbol: str
    session: date
    known_at: datetime
    known_by: str
    values: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Refusal:
    """One record that is in no view, and the rule that kept it out."""

    source: str
    kind: str
    symbol: str
    rule: str
    stamp: str
