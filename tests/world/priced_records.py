"""What passes between a vendor of changing units and the reference: rows, announcements, deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Basis = Literal["raw", "split", "total_return"]
Kind = Literal["split", "dividend"]
Layout = Literal["a file a day", "all in a new file", "all in one file", "the last sessions"]
Channel = Literal["none", "column", "feed"]
Fault = Literal["missing", "high below low", "negative close"]
Key = tuple[str, date]

NEUTRAL: dict[str, float] = {"split": 1.0, "dividend": 0.0}
"""What an announcement says that takes another back."""


@dataclass(frozen=True)
class Corporate:
    """What truly happens to a share on its ex-date.

    Attributes
    ----------
    split : float
        New shares for an old one.
    dividend : float
        Currency for a share held after the split.
    """

    split: float = 1.0
    dividend: float = 0.0


@dataclass(frozen=True)
class TrueBar:
    """A bar of the exchange, in the units of its own session, unrounded."""

    open: float
    high: float
    low: float
    close: float
    volume: int


@dataclass(frozen=True)
class Announcement:
    """What the vendor says of an action from an evening on; its last word about a key counts."""

    symbol: str
    session: date
    kind: Kind
    value: float
    evening: date


@dataclass(frozen=True)
class Gap:
    """A bar that is not sent, or sent so that it must be refused, up to the evening that mends it."""

    fault: Fault
    mended: date | None = None


@dataclass(frozen=True)
class Tick:
    """A bar printed too high or too low everywhere, with ordinary volume; mended from an evening on."""

    factor: float
    mended: date | None = None


@dataclass(frozen=True)
class Rename:
    """From an evening on the rows of one symbol go by another name, its last sessions once more with them."""

    old: str
    new: str
    evening: date
    overlap: int


@dataclass(frozen=True)
class PricedRow:
    """One row of a file of bars.

    Attributes
    ----------
    symbol : str
    session : date
    prices : tuple of str
        Open, high, low, close and volume as printed.
    unit : float
        Printed price of an exact bar over its price at the exchange: what the file does not say.
    wrong : float
        Factor of a bad tick; 1 for a good bar.
    split, dividend : str or None
        Cells of the action's columns; None where the file has none.
    received_at : str or None
    """

    symbol: str
    session: date
    prices: tuple[str, str, str, str, str]
    unit: float = 1.0
    wrong: float = 1.0
    split: str | None = None
    dividend: str | None = None
    received_at: str | None = None

    @property
    def key(self) -> Key:
        """What the row is about."""
        return self.symbol, self.session

    @property
    def close(self) -> float:
        """Close as printed."""
        return float(self.prices[3])

    @property
    def usable(self) -> bool:
        """Whether the prices can be those of a bar."""
        opened, high, low, closed = (float(price) for price in self.prices[:4])
        return (
            min(opened, high, low, closed) > 0 and high >= max(opened, closed) >= min(opened, closed) >= low
        )


@dataclass(frozen=True)
class ActionRow:
    """One row of a file of actions."""

    symbol: str
    session: date
    kind: Kind
    value: str
    received_at: str | None = None


@dataclass(frozen=True)
class PricedDelivery:
    """What the vendor writes on one evening: a file of bars, and one of actions where it has any.

    Attributes
    ----------
    evening : date
        Session after which it is written.
    written_at : datetime
    name : str
        Of both files, each in its own folder; a later delivery of the same name takes its place.
    bars : tuple of PricedRow
    actions : tuple of ActionRow or None
        None where no file of actions is written on this evening.
    """

    evening: date
    written_at: datetime
    name: str
    bars: tuple[PricedRow, ...]
    actions: tuple[ActionRow, ...] | None = None
