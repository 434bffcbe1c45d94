"""Reads what was published online. Light: the serving process gets here without Spark."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Hashable, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import feast
import polars as pl

from feature_repo.definitions import Definitions, build_definitions
from pipelines.base.small_files import read_record
from serving.online.feast_config import APPLIED_FILE, ONLINE_FILE, PUBLISHED_FILE, build_config
from serving.online.params import FeatureStoreParams
from serving.online.rows import read_rows
from serving.online.store import Published


class OnlineReader:
    """Reads the online store in one batched lookup a view; safe to share between threads.

    Parameters
    ----------
    params : FeatureStoreParams
    folder : Path
        Where Feast's files lie.
    """

    def __init__(self, params: FeatureStoreParams, folder: Path) -> None:
        self._params = params
        self._folder = folder
        self._turn = threading.Lock()
        self._store: feast.FeatureStore | None = None
        self._applied: dict[str, Any] = {}

    @cached_property
    def definitions(self) -> Definitions:
        """The views and services of this release."""
        return build_definitions(timedelta(days=self._params.ttl_days))

    def read(self, view: str, symbols: Sequence[str]) -> pl.DataFrame:
        """Return the online rows of the symbols that the store knows.

        Parameters
        ----------
        view : str
            One of the views in `feature_repo.definitions`.
        symbols : sequence of str
            Each at most once.

        Returns
        -------
        polars.DataFrame, shape (n_known_symbols, n_fields)
            `symbol`, `session` (Date), `event_timestamp` and `known_at` (`issued_at` for issued forecasts)
            in UTC, then the view's other fields; unknown values are null. The rows may be of any session:
            the caller refuses those it does not want.
        """
        with self._turn:
            return read_rows(self._open(), self._view(view), symbols)

    def published(self) -> Published | None:
        """Return what the newest publication was about, None before the first."""
        record = read_record(self._folder / PUBLISHED_FILE)
        if not record:
            return None
        return Published(
            session=date.fromisoformat(record["session"]),
            published_at=datetime.fromisoformat(record["published_at"]),
            symbols=record["symbols"],
            expected=record["expected"],
        )

    def version(self) -> Hashable | None:
        """Return something that differs after every publication; None where the store cannot tell."""
        path = self._folder / ONLINE_FILE
        if self._params.online != "sqlite" or not path.is_file():
            return None
        with self._turn:
            changes = self._watch.execute("PRAGMA data_version").fetchone()[0]
        return changes, read_record(self._folder / APPLIED_FILE).get("definitions")

    @cached_property
    def _watch(self) -> sqlite3.Connection:
        """A connection of its own: SQLite counts the commits that other connections made."""
        place = f"file:{self._folder / ONLINE_FILE}?mode=ro"
        return sqlite3.connect(place, uri=True, check_same_thread=False)

    def _view(self, name: str) -> feast.FeatureView:
        for view in self.definitions.views:
            if view.name == name:
                return view
        msg = f"view={name!r} must be one of {[view.name for view in self.definitions.views]}"
        raise ValueError(msg)

    def _open(self) -> feast.FeatureStore:
        applied = read_record(self._folder / APPLIED_FILE)
        if self._store is None or applied != self._applied:
            config = build_config(self._params, self._folder, offline="dask")
            self._store, self._applied = feast.FeatureStore(config=config), applied
        return self._store
