"""What the service needs of an online store."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the newest publication was about.

    Attributes
    ----------
    session : date
        The as-of session: features of any other session are refused.
    published_at : datetime
        When it was published, UTC.
    symbols : int
        Symbols with valid features of the session.
    expected : int
        Symbols with any version of a session within the views' ttl.
    """

    session: date
    published_at: datetime
    symbols: int
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineRows:
    """The rows of a few symbols, one frame a feature view, at most one row a symbol.

    Attributes
    ----------
    daily, text : polars.DataFrame
        `symbol`, `session` (Date), `event_timestamp` (UTC), `valid` and the view's features.
    issued : polars.DataFrame
        `symbol`, `session`, `model_key`, `value`, `rank`, `q10`, `q50`, `q90`.
    """

    daily: pl.DataFrame
    text: pl.DataFrame
    issued: pl.DataFrame


class OnlineReader(Protocol):
    """Reads what was published, in one batched lookup a call."""

    def read(self, symbols: Sequence[str]) -> OnlineRows:
        """Return the rows of the symbols that the store knows."""
        ...

    def published(self) -> Published | None:
        """Return what the newest publication was about, None before the first."""
        ...

    def version(self) -> Hashable | None:
        """Return something that differs after every publication; None if the store cannot tell."""
        ...
