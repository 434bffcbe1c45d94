"""The feature store: definitions applied once, rows retrieved as of an instant, rows published in order."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import feast
import polars as pl
from pyspark.sql import DataFrame

from feature_repo.definitions import Definitions, build_definitions, view_ttl
from features.params import FeaturesParams
from features.sets import FeatureSet
from features.views import find_view, names_by_view
from pipelines.base.context import Context
from pipelines.base.errors import ContractViolation, UnavailableError
from pipelines.base.lake import Lake
from pipelines.base.small_files import read_record, replace_text
from pipelines.io.feature_config import OFFLINE_STORE, write_command_files
from pipelines.io.feature_registry import is_whole
from pipelines.io.historical_retrieval import from_spine, refusal, register_versions, to_spine, with_features
from pipelines.tables.contracts import feature_table
from serving.online.feast_config import (
    APPLIED_FILE,
    ONLINE_FILE,
    PUBLISHED_FILE,
    REFUSED_FILE,
    REGISTRY_FILE,
    SYMBOLS_FILE,
    build_config,
)
from serving.online.feast_store import parse_publication
from serving.online.params import FeatureStoreParams
from serving.online.publications import noted, settle
from serving.online.raw_readers import redis_client
from serving.online.rows import created_column, encode_rows, read_rows, select_newer
from serving.online.store import Published

log = logging.getLogger(__name__)

_REFUSAL = "refusal"


def open_feature_store(context: Context) -> FeatureStore:
    """Return the home's feature store; nothing is opened or applied before its first use."""
    return FeatureStore(
        context.params(FeatureStoreParams),
        ttl=view_ttl(context.calendar),
        folder=context.home.feast,
        lake=context.lake,
        sets=context.params(FeaturesParams).feature_sets(),
    )


class FeatureStore:
    """Feast over one lake and one folder.

    Parameters
    ----------
    params : FeatureStoreParams
    ttl : timedelta
        Of every view; see `feature_repo.definitions.view_ttl`.
    folder : Path
        Where the registry and the SQLite online store lie.
    lake : Lake
        Holds every version of every row.
    sets : sequence of FeatureSet
        Each is a feature service.
    """

    def __init__(
        self,
        params: FeatureStoreParams,
        *,
        ttl: timedelta,
        folder: Path,
        lake: Lake,
        sets: Sequence[FeatureSet],
    ) -> None:
        self._params = params
        self._ttl = ttl
        self._folder = folder
        self._lake = lake
        self._sets = sets

    @cached_property
    def definitions(self) -> Definitions:
        """The views and services of this release."""
        return build_definitions(self._ttl, self._sets)

    @cached_property
    def _store(self) -> feast.FeatureStore:
        self.apply()
        return feast.FeatureStore(config=self._config(REGISTRY_FILE))

    def apply(self) -> bool:
        """Register the definitions with Feast if they changed; tell whether they did.

        The registry is built anew beside the old one and takes its place whole, so a crash leaves either.
        """
        wanted = {
            "definitions": self.definitions.digest(),
            "online": self._params.online,
            "feast": feast.__version__,
        }
        there = self._params.online != "sqlite" or (self._folder / ONLINE_FILE).is_file()
        applied = read_record(self._folder / APPLIED_FILE) == wanted
        if there and applied and is_whole(self._folder / REGISTRY_FILE, self.definitions):
            write_command_files(self._params, self._folder, self._sets, ttl=self._ttl)
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f"{REGISTRY_FILE}.new"
        fresh.unlink(missing_ok=True)
        with _quiet():
            feast.FeatureStore(config=self._config(fresh.name)).apply(self.definitions.objects)
        if self._params.online == "sqlite":
            _let_readers_read_on(self._folder / ONLINE_FILE)
        fresh.replace(self._folder / REGISTRY_FILE)
        write_command_files(self._params, self._folder, self._sets, ttl=self._ttl)
        replace_text(self._folder / APPLIED_FILE, json.dumps(wanted, sort_keys=True))
        log.info("applied the Feast definitions %s", wanted["definitions"])
        return True

    def _config(self, registry: str) -> feast.RepoConfig:
        return build_config(self._params, self._folder, registry=registry, offline_store=OFFLINE_STORE)

    def point_in_time_frame(
        self,
        rows: DataFrame,
        features: Sequence[str],
        *,
        at: str,
        at_versions: Mapping[str, int] | None = None,
    ) -> DataFrame:
        """Return distributed rows with the features known at each row's instant.

        The distributed planner of `pipelines.io.feature_retrieval.read_features`, which says what comes back.

        Parameters
        ----------
        rows : pyspark.sql.DataFrame
            `symbol`, `session` (date), the instant (timestamp), unique by them, and any further columns.
        features : sequence of str
            Names of features of any view.
        at : str
            Column that holds the instant.
        at_versions : mapping of table to Delta version, optional
            Tables named here are read as of that version, the others as they are.

        Raises
        ------
        ContractViolation
            If the rows lack a column.
        ValueError
            If there is no row.
        """
        views = names_by_view(features)
        joined = self._retrieve(rows, views, at, at_versions or {})
        return with_features(joined, rows.columns, views).select(*rows.columns, *features)

    def count_refusals(
        self, rows: DataFrame, *, at: str, at_versions: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """Return how many rows `point_in_time_frame` drops, by reason.

        The reasons are ``absent`` (no vector of the session was known yet) and ``retracted``.
        """
        joined = self._retrieve(rows, names_by_view(()), at, at_versions or {})
        counts = joined.where(refusal().isNotNull()).groupBy(refusal().alias(_REFUSAL)).count()
        return {row[_REFUSAL]: row["count"] for row in counts.collect()}

    def _retrieve(
        self, rows: DataFrame, views: Mapping[str, Sequence[str]], at: str, at_versions: Mapping[str, int]
    ) -> DataFrame:
        """Return Feast's point-in-time join, columns named ``view__field``."""
        spine = to_spine(rows, at)
        for name in views:
            view = find_view(name)
            register_versions(self._lake, view, at_versions.get(feature_table(view).name))
        names = {view: ["session", "valid", *chosen] for view, chosen in views.items()}
        with _quiet():
            job = self._store.get_historical_features(
                entity_df=spine,
                features=[f"{view}:{name}" for view, columns in names.items() for name in columns],
                full_feature_names=True,
                filter_by_created_timestamp=True,
            )
        return from_spine(job.to_spark_df(), at)

    def publish(self, rows: pl.DataFrame, view: str, *, speaker: str | None = None) -> int:
        """Put rows into the online store, never an older one over a newer; return how many were written.

        Parameters
        ----------
        rows : polars.DataFrame
            Columns of the view's gold table, at most one row a symbol. A row is older than another by
            (`session`, `known_at`), for forecasts by (`session`, `issued_at`). Rows that are there
            already are not written again.
        speaker : str, optional
            Column that says who speaks: a row of the same session by another is replaced whenever it was
            known. The caller offers only what the one says who is to be heard.

        Raises
        ------
        ContractViolation
            If a symbol occurs twice.
        """
        if rows.is_empty():
            return 0
        if rows.get_column("symbol").is_duplicated().any():
            twice = rows.filter(pl.col("symbol").is_duplicated()).get_column("symbol").unique().to_list()[:5]
            raise ContractViolation(view, "symbol", f"{twice} occur more than once; publish one row a symbol")
        declared = self._declared(view)
        offered = encode_rows(rows, declared).select("symbol", *(field.name for field in declared.features))
        existing = read_rows(self._store, declared, rows.get_column("symbol").to_list())
        standing = encode_rows(existing, declared).select(offered.columns)
        newer = select_newer(offered, standing, speaker=speaker)
        if newer.is_empty():
            if self._params.online == "redis":
                settle(redis_client(self._store))
            return 0
        timestamps = rows.select("symbol", "event_timestamp", created_column(declared))
        with _quiet(), self._noted():
            self._store.write_to_online_store(
                view, newer.join(timestamps, on="symbol", how="left").to_pandas()
            )
        return newer.height

    def _noted(self) -> contextlib.AbstractContextManager[None]:
        """Note the publication where the store does not count its commits itself."""
        if self._params.online != "redis":
            return contextlib.nullcontext()
        return noted(redis_client(self._store))

    def online(self, symbols: Sequence[str], view: str) -> pl.DataFrame:
        """Return the online rows of the symbols; see `serving.online.feast_store.FeastOnlineStore`."""
        return read_rows(self._store, self._declared(view), symbols)

    def _declared(self, view: str) -> feast.FeatureView:
        return next(declared for declared in self.definitions.views if declared.name == view)

    @property
    def was_published(self) -> bool:
        """Whether the online store may hold rows already."""
        return (self._folder / PUBLISHED_FILE).is_file()

    @property
    def is_told_whole(self) -> bool:
        """Whether readers learn what was published and which symbols there are; a power cut tears either."""
        told = parse_publication(read_record(self._folder / PUBLISHED_FILE))
        return not self.was_published or (told is not None and self.lists_symbols)

    @property
    def lists_symbols(self) -> bool:
        """Whether there is a list of the symbols that may be asked for."""
        return isinstance(read_record(self._folder / SYMBOLS_FILE).get("symbols"), list)

    def note_symbols(self, symbols: Sequence[str]) -> None:
        """Add to the list of symbols that may be asked for, before their rows are published.

        It never shrinks, since an old row has an answer of its own; where there is none yet it has to begin
        with every symbol that may be online.
        """
        known = read_record(self._folder / SYMBOLS_FILE).get("symbols")
        known = known if isinstance(known, list) else []
        listed = sorted({*known, *symbols})
        if listed != known:
            replace_text(self._folder / SYMBOLS_FILE, json.dumps({"symbols": listed}))

    def record_publication(self, rows: pl.DataFrame, *, session: date, at: datetime) -> None:
        """Note what was published last, for readers who judge staleness.

        An older as-of changes nothing, and neither does a session of which no valid row is known: until one
        is, the last session that was published stays the one to answer from.

        Parameters
        ----------
        rows : polars.DataFrame
            The newest rows of the primary view: `symbol`, `session`, `valid`.
        """
        record = parse_publication(read_record(self._folder / PUBLISHED_FILE))
        if record is not None and record.session > session:
            return
        recent = rows.filter(pl.col("session") > session - self._ttl)
        current = recent.filter((pl.col("session") == session) & pl.col("valid"))
        if current.is_empty():
            log.warning("no valid row of %s is known; the online store stays at what it held before", session)
            return
        now = Published(session=session, published_at=at, symbols=current.height, expected=recent.height)
        if record is not None and replace(record, published_at=at) == now:
            return
        stamp = asdict(now) | {"session": str(session), "published_at": at.isoformat()}
        replace_text(self._folder / PUBLISHED_FILE, json.dumps(stamp, sort_keys=True))

    def note_refusal(self, model_key: str, why: str) -> None:
        """Tell the service that a model must not score what is published, or, with no reason, that it may."""
        path = self._folder / REFUSED_FILE
        known = read_record(path)
        told = {key: said for key, said in known.items() if key != model_key} | (
            {model_key: why} if why else {}
        )
        text = json.dumps(told, sort_keys=True)
        # A torn record reads as an empty one: the bytes are compared.
        if path.read_bytes() != text.encode() if path.exists() else bool(told):
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_text(path, text)


def _let_readers_read_on(path: Path) -> None:
    """Keep readers from waiting for a publication: SQLite's write-ahead log, which stays with the file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        msg = f"{path} cannot use a write-ahead log (mode {mode}); place the home on a local disk"
        raise UnavailableError(msg)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Feast's warnings that its Spark support is young."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
