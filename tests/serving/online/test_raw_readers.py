"""What is read quickly is what Feast reads, from either engine, through corrections and retractions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import SecretStr
from redis import Redis

from feature_repo.definitions import view_ttl
from features.sessions import SessionCalendar
from pipelines.io.feature_store import FeatureStore
from pipelines.io.lake import Lake
from serving.online.cached_store import CachedOnlineStore
from serving.online.feast_store import FeastOnlineStore
from serving.online.params import FeatureStoreParams
from serving.online.rows import read_rows
from serving.online.store import ViewFeatures
from tests.pipelines.synthetic_gold import Gold, make_gold
from tests.serving.homes import DAILY as NAMES
from tests.serving.homes import PARAMS, no_spark
from tests.serving.online.redis_server import redis_server


@pytest.fixture(scope="module")
def gold() -> Gold:
    return make_gold(symbols=6, sessions=12)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as connection:
        yield connection


@pytest.fixture(params=["sqlite", "redis"])
def params(request: pytest.FixtureRequest) -> FeatureStoreParams:
    if request.param == "sqlite":
        return PARAMS
    connection = request.getfixturevalue("connection")
    host, port = connection.split(":")
    Redis(host, int(port)).flushall()
    return FeatureStoreParams(online="redis", connection=SecretStr(connection))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path, params: FeatureStoreParams) -> FeatureStore:
    lake = Lake(str(home / "lake"), no_spark)
    ttl = view_ttl(SessionCalendar())
    return FeatureStore(params, ttl=ttl, folder=home / "feast", lake=lake, sets=())


@pytest.fixture
def reader(home: Path, params: FeatureStoreParams) -> FeastOnlineStore:
    return FeastOnlineStore(params, home / "feast")


def latest(gold: Gold, place: int = -1) -> pl.DataFrame:
    return gold.daily.filter(pl.col("session") == gold.sessions[place]).sort("symbol")


def with_gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a hole in every feature, and one row that knows nothing."""
    place = pl.int_range(pl.len())
    return rows.with_columns(
        pl.when((place == number % 5) | (place == 5)).then(None).otherwise(pl.col(name)).alias(name)
        for number, name in enumerate(NAMES)
    )


def test_it_reads_what_feast_reads(store: FeatureStore, reader: FeastOnlineStore, gold: Gold) -> None:
    rows = with_gaps(latest(gold))
    store.publish(rows, "features_daily")
    asked = ["S03", "NONE", "S05", "S00"]
    for chosen in (None, NAMES[::7], NAMES[5:7], ()):
        ours = reader.read_view("features_daily", asked, chosen)
        feasts = read_rows(store._store, store._declared("features_daily"), asked, chosen)
        feasts = feasts.filter(pl.col("session").is_not_null())  # of Redis it makes a row of nothing
        assert_frame_equal(ours, feasts, check_exact=True)
    told = reader.read_view("features_daily", rows["symbol"].to_list()).select(rows.drop("month").columns)
    assert_frame_equal(told, rows.drop("month"), check_exact=True)


def test_a_correction_and_a_retraction_of_the_same_session_arrive(
    store: FeatureStore, reader: FeastOnlineStore, gold: Gold
) -> None:
    rows = latest(gold)
    store.publish(rows, "features_daily")
    later = rows.with_columns(pl.col("known_at") + timedelta(hours=1), pl.lit(9.5).alias(NAMES[0]))
    assert store.publish(later, "features_daily") == rows.height
    assert reader.read_view("features_daily", ["S01"])[NAMES[0]].to_list() == [9.5]
    gone = later.with_columns(
        pl.col("known_at") + timedelta(hours=1),
        pl.lit(value=False).alias("valid"),
        *(pl.lit(None, pl.Float64).alias(name) for name in NAMES),
    )
    assert store.publish(gone, "features_daily") == rows.height
    row = reader.read_view("features_daily", ["S01"])
    assert row["valid"].to_list() == [False]
    assert row.select(NAMES).null_count().row(0) == (1,) * len(NAMES)


def test_views_are_read_together(store: FeatureStore, reader: FeastOnlineStore, gold: Gold) -> None:
    store.publish(latest(gold), "features_daily")
    views = [
        ViewFeatures(name="features_daily", features=NAMES[:2]),
        ViewFeatures(name="features_text", features=()),
    ]
    found = reader.read(["S01", "S02"], views)
    assert found.views["features_daily"]["symbol"].to_list() == ["S01", "S02"]
    assert found.views["features_text"].is_empty()
    assert found.issued.is_empty()
    assert reader.read([], views).views["features_daily"].is_empty()


def test_every_publication_has_a_version_of_its_own(
    store: FeatureStore, reader: FeastOnlineStore, gold: Gold
) -> None:
    assert reader.version() is None
    store.publish(latest(gold, -2), "features_daily")
    first = reader.version()
    assert first is not None
    assert reader.version() == first
    assert store.publish(latest(gold, -2), "features_daily") == 0
    assert reader.version() == first
    store.publish(latest(gold), "features_daily")
    assert reader.version() not in {None, first}


def test_a_publication_that_died_half_way_has_no_version(
    connection: str, home: Path, gold: Gold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever rests on Redis asks it until the next publication has ended."""
    host, port = connection.split(":")
    redis = Redis(host, int(port))
    redis.flushall()
    params = FeatureStoreParams(online="redis", connection=SecretStr(connection))
    lake = Lake(str(home / "lake"), no_spark)
    store = FeatureStore(params, ttl=view_ttl(SessionCalendar()), folder=home / "feast", lake=lake, sets=())
    reader = FeastOnlineStore(params, home / "feast")
    store.publish(latest(gold, -2), "features_daily")
    before = reader.version()
    with monkeypatch.context() as patch:
        patch.setattr(store._store, "write_to_online_store", _die)
        with pytest.raises(KeyboardInterrupt):
            store.publish(latest(gold), "features_daily")
    assert reader.version() is None
    assert store.publish(latest(gold, -2), "features_daily") == 0  # every row was there when it died
    settled = reader.version()
    assert settled not in {None, before}
    store.publish(latest(gold), "features_daily")
    assert reader.version() not in {None, settled}


def test_a_store_that_has_lost_its_data_gives_no_version_twice(
    connection: str, home: Path, gold: Gold
) -> None:
    host, port = connection.split(":")
    params = FeatureStoreParams(online="redis", connection=SecretStr(connection))
    lake = Lake(str(home / "lake"), no_spark)
    store = FeatureStore(params, ttl=view_ttl(SessionCalendar()), folder=home / "feast", lake=lake, sets=())
    cached = CachedOnlineStore(FeastOnlineStore(params, home / "feast"))
    views = [ViewFeatures(name="features_daily", features=NAMES[:1])]
    for place in (-2, -1):
        Redis(host, int(port)).flushall()
        store.publish(latest(gold, place), "features_daily")
        rows = cached.read(["S01"], views).views["features_daily"]
        assert rows["session"].to_list() == [gold.sessions[place]]


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_file_that_another_has_replaced_is_read_anew(home: Path, gold: Gold) -> None:
    """As whoever restores a backup leaves it."""
    stores = {}
    for name, place in (("old", -2), ("new", -1)):
        lake = Lake(str(home / name / "lake"), no_spark)
        ttl = view_ttl(SessionCalendar())
        stores[name] = FeatureStore(PARAMS, ttl=ttl, folder=home / name / "feast", lake=lake, sets=())
        stores[name].publish(latest(gold, place), "features_daily")
    reader = FeastOnlineStore(PARAMS, home / "old" / "feast")
    before = reader.version()
    assert reader.read_view("features_daily", ["S01"])["session"].to_list() == [gold.sessions[-2]]
    with closing(sqlite3.connect(home / "new" / "feast" / "online.db")) as restored:
        restored.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for end in ("-wal", "-shm"):
        (home / "old" / "feast" / f"online.db{end}").unlink(missing_ok=True)
    (home / "new" / "feast" / "online.db").replace(home / "old" / "feast" / "online.db")
    assert reader.version() != before
    assert reader.read_view("features_daily", ["S01"])["session"].to_list() == [gold.sessions[-1]]
