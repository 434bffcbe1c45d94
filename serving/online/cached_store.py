"""Rows kept until the online store changes."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence

import polars as pl

from serving.online.store import OnlineRows, OnlineStore, Published, ViewFeatures


class CachedOnlineStore:
    """Keeps rows until the store's version changes; a store without versions is always asked.

    A promotion changes every answer and no row, so a new model that reads the same features starts from what
    is already here. The version is read first, in every call: no row is older than the last publication that
    had ended by then.

    Parameters
    ----------
    store : OnlineStore
    max_symbols : int
        Symbols kept, unknown ones included, before the cache starts afresh.
    """

    def __init__(self, store: OnlineStore, *, max_symbols: int = 20_000) -> None:
        self._store = store
        self._max_symbols = max_symbols
        self._lock = threading.Lock()
        self._basis: Hashable = None
        self._asked: set[str] = set()
        self._rows: OnlineRows | None = None

    def read(self, symbols: Sequence[str], views: Sequence[ViewFeatures]) -> OnlineRows:
        """Return the rows of the symbols that the store knows."""
        rows = self._kept(symbols, views)
        if rows is None:
            return self._store.read(symbols, views)
        return _choose(rows, symbols)

    def published(self) -> Published | None:
        """Return what the newest publication was about, None before the first."""
        return self._store.published()

    def symbols(self) -> frozenset[str] | None:
        """Return every symbol that was ever published, None where nobody has kept a list."""
        return self._store.symbols()

    def refused(self, model_key: str) -> str | None:
        """Return why a model must not score what is published, None if it may."""
        return self._store.refused(model_key)

    def version(self) -> Hashable | None:
        """Return the store's own version."""
        return self._store.version()

    def _kept(self, symbols: Sequence[str], views: Sequence[ViewFeatures]) -> OnlineRows | None:
        """Return rows that hold all symbols, None where nothing can be kept just now."""
        version = self._store.version()
        if version is None:
            return None
        basis = (version, tuple(views))
        with self._lock:
            if basis != self._basis or len(self._asked) > self._max_symbols:
                self._basis, self._rows, self._asked = basis, None, set()
            missing = [symbol for symbol in symbols if symbol not in self._asked]
            if not missing:
                return self._rows
        # Nobody waits for these rows who does not want them; two callers may read the same ones.
        learnt = self._store.read(missing, views)
        if self._store.version() != version:
            return None
        with self._lock:
            kept = set(symbols).difference(missing)
            if basis != self._basis or not kept <= self._asked:  # begun afresh meanwhile
                return None
            new = [symbol for symbol in missing if symbol not in self._asked]
            chosen = _choose(learnt, new)
            self._rows = chosen if self._rows is None else _join(self._rows, chosen)
            self._asked.update(new)
            return self._rows


def _choose(rows: OnlineRows, symbols: Sequence[str]) -> OnlineRows:
    wanted = pl.col("symbol").is_in(list(symbols))
    return OnlineRows(
        views={name: frame.filter(wanted) for name, frame in rows.views.items()},
        issued=rows.issued.filter(wanted),
    )


def _join(old: OnlineRows, new: OnlineRows) -> OnlineRows:
    return OnlineRows(
        views={name: pl.concat([frame, new.views[name]]) for name, frame in old.views.items()},
        issued=pl.concat([old.issued, new.issued]),
    )
