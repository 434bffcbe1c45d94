"""What the service needs of an online store, and a memory in front of it that never answers late."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
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
        Symbols with valid features in the session.
    expected : int
        Symbols that the store knows.
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


class RememberingReader:
    """Keeps rows until the store's version changes; a store without versions is always asked.

    The version is read first, in every call, so an answer is never older than the last publication
    that had ended when the call began.

    Parameters
    ----------
    reader : OnlineReader
    max_symbols : int
        Symbols kept, unknown ones included, before the memory starts afresh.
    """

    def __init__(self, reader: OnlineReader, *, max_symbols: int = 20_000) -> None:
        self._reader = reader
        self._max_symbols = max_symbols
        self._lock = threading.Lock()
        self._version: Hashable | None = None
        self._asked: set[str] = set()
        self._rows: OnlineRows | None = None

    def read(self, symbols: Sequence[str]) -> OnlineRows:
        """Return the rows of the symbols that the store knows."""
        with self._lock:
            version = self._reader.version()
            if version is None:
                return self._reader.read(symbols)
            self._forget_unless(version)
            missing = [symbol for symbol in symbols if symbol not in self._asked]
            if missing and not self._learn(missing, version):
                return self._reader.read(symbols)
            rows = self._rows
        return self._reader.read(symbols) if rows is None else _only(rows, symbols)

    def published(self) -> Published | None:
        """Return what the newest publication was about, None before the first."""
        return self._reader.published()

    def version(self) -> Hashable | None:
        """Return the store's own version."""
        return self._reader.version()

    def _forget_unless(self, version: Hashable) -> None:
        if version != self._version or len(self._asked) > self._max_symbols:
            self._version, self._rows, self._asked = version, None, set()

    def _learn(self, symbols: Sequence[str], version: Hashable) -> bool:
        """Read and keep symbols; keep nothing if a publication ended meanwhile."""
        rows = self._reader.read(symbols)
        if self._reader.version() != version:
            return False
        self._rows = rows if self._rows is None else _joined(self._rows, rows)
        self._asked.update(symbols)
        return True


def _joined(old: OnlineRows, new: OnlineRows) -> OnlineRows:
    return replace(
        old,
        daily=pl.concat([old.daily, new.daily]),
        text=pl.concat([old.text, new.text]),
        issued=pl.concat([old.issued, new.issued]),
    )


def _only(rows: OnlineRows, symbols: Sequence[str]) -> OnlineRows:
    wanted = pl.col("symbol").is_in(list(symbols))
    return OnlineRows(
        daily=rows.daily.filter(wanted), text=rows.text.filter(wanted), issued=rows.issued.filter(wanted)
    )
