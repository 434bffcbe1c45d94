"""The offline store chooses what Feast's own Spark template chooses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import feast
import polars as pl
import pytest
from feast import Entity, FeatureView, Field
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Float64, String
from feast.value_type import ValueType
from polars.testing import assert_frame_equal
from pyspark.sql import SparkSession

from pipelines.base.context import Context
from pipelines.io.feature_config import OFFLINE_STORE

START = datetime(2016, 3, 1, tzinfo=UTC)
TTL = timedelta(days=2)
STAMP = pl.Datetime("us", "UTC")


def make_versions(seed: int) -> pl.DataFrame:
    """Rows of three symbols at irregular instants, several versions of most."""
    draw = random.Random(seed)
    rows = []
    for symbol in "ABC":
        for hour in draw.sample(range(24 * 12), 40):
            at = START + timedelta(hours=hour)
            for _ in range(draw.choice((1, 1, 2, 3))):
                known = at + timedelta(minutes=draw.randrange(1, 60 * 60))
                rows.append((symbol, at, known, draw.random()))
    schema = {"symbol": pl.String, "event_timestamp": STAMP, "known_at": STAMP, "value": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.unique(["symbol", "event_timestamp", "known_at"], maintain_order=True)


def make_spine(versions: pl.DataFrame) -> pl.DataFrame:
    """Instants between the rows and, where windows open and close, on them."""
    draw = random.Random(7)
    instants = [START + timedelta(minutes=draw.randrange(60 * 24 * 13)) for _ in range(60)]
    events = versions["event_timestamp"].to_list()[:20]
    instants += events + [moment + TTL for moment in events] + versions["known_at"].to_list()[:20]
    spine = pl.DataFrame({"event_timestamp": sorted(set(instants))}, schema={"event_timestamp": STAMP})
    return spine.join(pl.DataFrame({"symbol": ["A", "B", "C", "D"]}), how="cross").with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row")
    )


@pytest.fixture(scope="module")
def spark(
    open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SparkSession]:
    session = open_home(tmp_path_factory.mktemp("join")).lake.spark
    yield session
    session.conf.unset("spark.sql.parser.quotedRegexColumnNames")  # Feast's own store sets it


def retrieve(
    folder: Path, spark: SparkSession, spine: pl.DataFrame, *, offline: str, known_only: bool
) -> pl.DataFrame:
    folder.mkdir()
    symbol = Entity(name="symbol", join_keys=["symbol"], value_type=ValueType.STRING)
    views = [
        FeatureView(
            name=name, entities=[symbol], ttl=TTL,
            schema=[Field(name="symbol", dtype=String), Field(name="value", dtype=Float64)],
            source=SparkSource(
                name=name, table=name, timestamp_field="event_timestamp", created_timestamp_column="known_at"
            ),
        )
        for name in ("left_view", "right_view")
    ]  # fmt: skip
    config = feast.RepoConfig(
        project="join", provider="local", registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": offline}, entity_key_serialization_version=3,
    )  # fmt: skip
    store = feast.FeatureStore(config=config)
    store.apply([symbol, *views])
    job = store.get_historical_features(
        entity_df=spark.createDataFrame(spine.to_arrow()),
        features=[f"{view.name}:value" for view in views],
        full_feature_names=True,
        filter_by_created_timestamp=known_only,
    )
    columns = ["row", "left_view__value", "right_view__value"]
    return pl.DataFrame(pl.from_arrow(job.to_spark_df().select(*columns).toArrow())).sort("row")


@pytest.mark.parametrize("known_only", [True, False])
def test_join_equals_feasts_own(tmp_path: Path, spark: SparkSession, known_only: bool) -> None:
    tables = {"left_view": make_versions(1), "right_view": make_versions(2)}
    for name, versions in tables.items():
        spark.createDataFrame(versions.to_arrow()).createOrReplaceTempView(name)
    spine = make_spine(tables["left_view"])
    ours = retrieve(tmp_path / "a", spark, spine, offline=OFFLINE_STORE, known_only=known_only)
    theirs = retrieve(tmp_path / "b", spark, spine, offline="spark", known_only=known_only)
    assert ours["left_view__value"].is_null().sum() < spine.height / 2
    assert_frame_equal(ours, theirs, check_exact=True)
