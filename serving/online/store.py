"""What the service needs of an online store."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
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
class ViewFeatures:
    """A feature view, and those of its features that a model reads; it may read none but `valid`.

    Attributes
    ----------
    name : str
    features : tuple of str
    required : bool
        Whether a symbol without a valid row of the primary view's session gets no answer; else the features
        are unknown then.
    """

    name: str
    features: tuple[str, ...]
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineRows:
    """The rows of a few symbols, at most one row a symbol and frame.

    Attributes
    ----------
    views : mapping of view name to polars.DataFrame
        `symbol`, `session` (Date), `event_timestamp` (close of the session, UTC), `valid`, and the features
        that were asked for, null where unknown.
    issued : polars.DataFrame
        The forecasts issued last: `symbol`, `session`, `model_key`, `value`, `rank`, `q10`, `q50`, `q90`.
    """

    views: Mapping[str, pl.DataFrame]
    issued: pl.DataFrame


class OnlineStore(Protocol):
    """Holds what was published; safe to share between threads."""

    def read(self, symbols: Sequence[str], views: Sequence[ViewFeatures]) -> OnlineRows:
        """Return the rows of the symbols that the store knows, with the features asked for and no others.

        The rows may be of any session: the caller refuses those it does not want.
        """
        ...

    def published(self) -> Published | None:
        """Return what the newest publication was about, None before the first."""
        ...

    def symbols(self) -> frozenset[str] | None:
        """Return every symbol that was ever published, None where nobody has kept a list."""
        ...

    def refused(self, model_key: str) -> str | None:
        """Return why a model must not score what is published, None if it may."""
        ...

    def version(self) -> Hashable | None:
        """Return something that differs after every publication; None if the store cannot tell."""
        ...
