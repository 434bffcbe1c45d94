"""Rows and answers kept until anything that they rest on changes."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Sequence

import polars as pl

from serving.online.store import OnlineReader, OnlineRows, Published
from serving.schemas import SymbolForecast


class AnswerMemory:
    """Keeps one answer a symbol for one basis: store version, publication, champion and what is allowed.

    Reading 50 symbols of a hundred features through Feast takes longer than all the rest of a request, and
    the answer is the same until something is published or promoted. Whoever asks names the basis that holds
    now; answers that rest on another one are forgotten.

    Parameters
    ----------
    max_symbols : int
        Symbols kept, unknown ones included, before the memory starts afresh.
    """

    def __init__(self, *, max_symbols: int = 20_000) -> None:
        self._max_symbols = max_symbols
        self._lock = threading.Lock()
        self._basis: Hashable = None
        self._answers: dict[str, SymbolForecast] = {}

    def find(self, basis: Hashable, symbols: Sequence[str]) -> dict[str, SymbolForecast]:
        """Return the answers of those symbols that are kept for this basis."""
        with self._lock:
            if basis != self._basis:
                return {}
            return {symbol: self._answers[symbol] for symbol in symbols if symbol in self._answers}

    def keep(self, basis: Hashable, answers: Iterable[SymbolForecast]) -> None:
        """Keep answers for this basis and forget those of any other."""
        with self._lock:
            if basis != self._basis or len(self._answers) > self._max_symbols:
                self._basis, self._answers = basis, {}
            self._answers.update((answer.symbol, answer) for answer in answers)


class RememberingReader:
    """Keeps rows until the store's version changes; a store without versions is always asked.

    A promotion changes every answer and no row, so the new model starts from what is already here. The
    version is read first, in every call: no row is older than the last publication that had ended by then.

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
        self._version: Hashable = None
        self._asked: set[str] = set()
        self._rows: OnlineRows | None = None

    def read(self, symbols: Sequence[str]) -> OnlineRows:
        """Return the rows of the symbols that the store knows."""
        with self._lock:
            rows = self._remembered(symbols)
        return self._reader.read(symbols) if rows is None else _only(rows, symbols)

    def published(self) -> Published | None:
        """Return what the newest publication was about, None before the first."""
        return self._reader.published()

    def version(self) -> Hashable | None:
        """Return the store's own version."""
        return self._reader.version()

    def _remembered(self, symbols: Sequence[str]) -> OnlineRows | None:
        """Return rows that hold all symbols, None where nothing can be kept just now."""
        version = self._reader.version()
        if version is None:
            return None
        if version != self._version or len(self._asked) > self._max_symbols:
            self._version, self._rows, self._asked = version, None, set()
        missing = [symbol for symbol in symbols if symbol not in self._asked]
        if missing:
            learnt = self._reader.read(missing)
            if self._reader.version() != version:
                return None
            self._rows = learnt if self._rows is None else _joined(self._rows, learnt)
            self._asked.update(missing)
        return self._rows


def _joined(old: OnlineRows, new: OnlineRows) -> OnlineRows:
    return OnlineRows(
        daily=pl.concat([old.daily, new.daily]),
        text=pl.concat([old.text, new.text]),
        issued=pl.concat([old.issued, new.issued]),
    )


def _only(rows: OnlineRows, symbols: Sequence[str]) -> OnlineRows:
    wanted = pl.col("symbol").is_in(list(symbols))
    return OnlineRows(
        daily=rows.daily.filter(wanted), text=rows.text.filter(wanted), issued=rows.issued.filter(wanted)
    )
