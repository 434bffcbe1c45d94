"""Reads what was published online. Light: the serving process gets here without Spark or declarations."""

from __future__ import annotations

import sqlite3
import threading
import warnings
from collections.abc import Hashable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import feast
import polars as pl
from feast.errors import FeatureViewNotFoundException
from google.protobuf.message import DecodeError

from serving.online.feast_config import (
    APPLIED_FILE,
    ONLINE_FILE,
    PUBLISHED_FILE,
    REFUSED_FILE,
    REGISTRY_FILE,
    SYMBOLS_FILE,
    build_config,
)
from serving.online.kept_record import KeptRecord
from serving.online.params import FeatureStoreParams
from serving.online.publications import read_version
from serving.online.raw_readers import RawReader, RedisReader, SqliteReader, redis_client
from serving.online.rows import ISSUED_FORECASTS, chosen_fields, decode_cells
from serving.online.store import OnlineRows, Published, ViewFeatures


class FeastOnlineStore:
    """The online store of a home, one batched lookup a view; see `serving.online.store.OnlineStore`.

    The home need not exist yet. What its views hold is read from Feast's own registry, once for each time
    that definitions were applied.

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
        self._watching = threading.Lock()
        self._refused_record = KeptRecord(folder / REFUSED_FILE)
        self._refusals: dict[str, Any] = {}
        self._symbols_record = KeptRecord(folder / SYMBOLS_FILE)
        self._applied_record = KeptRecord(folder / APPLIED_FILE)
        self._published_record = KeptRecord(folder / PUBLISHED_FILE)
        self._store: feast.FeatureStore | None = None
        self._reader: RawReader = SqliteReader(folder / ONLINE_FILE)
        self._views: dict[str, feast.FeatureView] = {}
        self._applied: dict[str, Any] = {}
        self._published: Published | None = None
        self._watch: tuple[int, sqlite3.Connection] | None = None
        self._listed: tuple[Any, frozenset[str] | None] = (None, None)

    def read(self, symbols: Sequence[str], views: Sequence[ViewFeatures]) -> OnlineRows:
        """Return the rows of the symbols that the store knows, with the features asked for and no others."""
        wanted: dict[str, Sequence[str] | None] = {view.name: view.features for view in views}
        found = self._read(symbols, {**wanted, ISSUED_FORECASTS: None})
        issued = found.pop(ISSUED_FORECASTS)
        return OnlineRows(views=found, issued=issued)

    def read_view(
        self, view: str, symbols: Sequence[str], features: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the online rows of one view.

        Parameters
        ----------
        view : str
            Name of a view that is applied in this home.
        symbols : sequence of str
            Each at most once.
        features : sequence of str, optional
            Features to read; all if not given. Those that the view lacks are left out.

        Returns
        -------
        polars.DataFrame, shape (n_known_symbols, n_fields)
            `symbol`, `session` (Date), `event_timestamp` and `known_at` (`issued_at` for issued forecasts)
            in UTC, then the view's other fields; unknown values are null. The rows may be of any session.

        Raises
        ------
        ValueError
            If the home has no such view.
        """
        return self._read(symbols, {view: features})[view]

    def _read(
        self, symbols: Sequence[str], wanted: Mapping[str, Sequence[str] | None]
    ) -> dict[str, pl.DataFrame]:
        symbols = list(dict.fromkeys(symbols))
        with self._turn:
            store = self._open()
            views = {name: self._view(store, name) for name in wanted}
            reader = self._reader
        fields = {name: chosen_fields(views[name], features) for name, features in wanted.items()}
        names = {view: [field.name for field in chosen] for view, chosen in fields.items()}
        cells = reader.read(symbols, names)
        return {name: decode_cells(views[name], symbols, cells[name], fields[name]) for name in wanted}

    def published(self) -> Published | None:
        """Return what the newest publication was about, None before the first.

        A record that a power cut has torn says what it said before, as far as this process has seen it.
        """
        found = parse_publication(self._published_record.read() or {})
        if found is not None or not (self._folder / PUBLISHED_FILE).exists():
            self._published = found
        return self._published

    def symbols(self) -> frozenset[str] | None:
        """Return every symbol that was ever published, None where nobody has kept a list, or it is torn."""
        said = self._symbols_record.read()
        if said is not self._listed[0]:
            listed = (said or {}).get("symbols")
            self._listed = (said, frozenset(listed) if isinstance(listed, list) else None)
        return self._listed[1]

    def refused(self, model_key: str) -> str | None:
        """Return why a model must not score what is published, None if it may.

        Whoever publishes says so: here nobody knows how features are made. A record that is torn says what it
        said before, as far as this process has seen it.
        """
        said = self._refused_record.read()
        if said is not None:
            self._refusals = said
        why = self._refusals.get(model_key)
        return str(why) if why else None

    def version(self) -> Hashable | None:
        """Return what differs after every publication; None where the store cannot tell just now."""
        count: Hashable = (
            self._version_in_redis() if self._params.online == "redis" else self._count_in_file()
        )
        return None if count is None else (count, (self._applied_record.read() or {}).get("definitions"))

    def _version_in_redis(self) -> bytes | None:
        if not (self._folder / REGISTRY_FILE).is_file():
            return None
        with self._turn:
            client = redis_client(self._open())
        return read_version(client)

    def _count_in_file(self) -> tuple[int, int] | None:
        """Return the file and how often other connections have committed to it, which SQLite counts."""
        path = self._folder / ONLINE_FILE
        try:
            inode = path.stat().st_ino
        except FileNotFoundError:
            return None
        with self._watching:  # not the readers': an answer from the cache waits for no read
            if self._watch is None or self._watch[0] != inode:
                connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
                self._watch = (inode, connection)
            return inode, self._watch[1].execute("PRAGMA data_version").fetchone()[0]

    def _open(self) -> feast.FeatureStore:
        applied = self._applied_record.read() or {}
        if self._store is None or applied != self._applied:
            if not (self._folder / REGISTRY_FILE).is_file():  # Feast would write an empty one
                msg = f"{self._folder} has no applied feature views; run `bellwether materialize`"
                raise ValueError(msg)
            self._store = feast.FeatureStore(config=build_config(self._params, self._folder))
            self._views, self._applied = {}, applied
            if self._params.online == "redis":
                self._reader = RedisReader(self._store)
        return self._store

    def _view(self, store: feast.FeatureStore, name: str) -> feast.FeatureView:
        if name not in self._views:  # reading the registry takes longer than reading the rows
            try:
                with warnings.catch_warnings():  # Feast calls the Spark source of a view experimental
                    warnings.simplefilter("ignore", RuntimeWarning)
                    self._views[name] = store.get_feature_view(name)
            except (FeatureViewNotFoundException, DecodeError) as error:
                torn = isinstance(error, DecodeError)
                known = [] if torn else sorted(view.name for view in store.list_feature_views())
                named = f"view={name!r} must be one of {known}, which are applied in {self._folder}"
                msg = f"{named}; a torn {REGISTRY_FILE} is written anew by `bellwether materialize`"
                raise ValueError(msg) from error
        return self._views[name]


def parse_publication(record: Mapping[str, Any]) -> Published | None:
    """Return what a record of a publication says; None where it is empty, or no such record."""
    try:
        return Published(
            session=date.fromisoformat(record["session"]),
            published_at=datetime.fromisoformat(record["published_at"]),
            symbols=int(record["symbols"]),
            expected=int(record["expected"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
