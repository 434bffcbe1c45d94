"""The light reader of the online store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.definitions import DAILY_VIEW
from pipelines.base.context import Context
from pipelines.io.feature_store import FeatureStore, open_feature_store
from serving.online.feast_store import OnlineReader
from tests.pipelines.synthetic_gold import Gold, make_gold

AT = datetime(2016, 2, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def gold() -> Gold:
    return make_gold(symbols=4, sessions=12)


@pytest.fixture
def context(open_home: Callable[..., Context], tmp_path: Path) -> Context:
    return open_home(tmp_path / "home")


@pytest.fixture
def store(context: Context) -> FeatureStore:
    return open_feature_store(context)


@pytest.fixture
def reader(context: Context) -> OnlineReader:
    return OnlineReader(context.settings.feature_store, context.home.feast)


def latest(gold: Gold, place: int = -1) -> pl.DataFrame:
    return gold.daily.filter(pl.col("session") == gold.sessions[place]).sort("symbol")


def test_reader_sees_what_was_published_since_it_was_opened(
    store: FeatureStore, reader: OnlineReader, gold: Gold
) -> None:
    assert (reader.published(), reader.version()) == (None, None)
    store.publish(latest(gold, -2), DAILY_VIEW)
    before = reader.version()
    assert reader.read(DAILY_VIEW, ["S01"])["session"].to_list() == [gold.sessions[-2]]
    assert reader.version() == before
    store.publish(latest(gold), DAILY_VIEW)
    assert reader.version() != before
    rows = reader.read(DAILY_VIEW, ["S03", "S01", "NONE"])
    assert rows["symbol"].to_list() == ["S03", "S01"]
    expected = latest(gold).filter(pl.col("symbol").is_in(["S01", "S03"])).drop("month")
    assert_frame_equal(rows, expected, check_column_order=False, check_row_order=False, check_exact=True)


def test_reader_refuses_an_unknown_view(reader: OnlineReader) -> None:
    with pytest.raises(ValueError, match="view='features_weekly' must be one of"):
        reader.read("features_weekly", ["S01"])


def test_publication_record_counts_the_session(store: FeatureStore, reader: OnlineReader, gold: Gold) -> None:
    store.apply()
    last, before = gold.sessions[-1], gold.sessions[-2]
    rows = pl.concat([latest(gold).head(2), latest(gold, -2).slice(2, 1), latest(gold, -12).slice(3, 1)])
    store.record_publication(rows, session=last, at=AT)
    published = reader.published()
    assert published is not None
    assert (published.session, published.published_at) == (last, AT)
    assert (published.symbols, published.expected) == (2, 3)  # the fourth symbol left a week ago
    store.record_publication(rows, session=before, at=AT + timedelta(days=1))
    assert reader.published() == published
    store.record_publication(rows, session=last, at=AT + timedelta(days=1))
    assert reader.published() == published
    store.record_publication(rows, session=last + timedelta(days=1), at=AT + timedelta(days=1))
    assert reader.published() == published  # no row of that day is known


def test_reading_needs_no_spark(store: FeatureStore, context: Context, gold: Gold) -> None:
    store.publish(latest(gold), DAILY_VIEW)
    program = (
        "import sys; from pathlib import Path; from pydantic import SecretStr\n"
        "from serving.online.params import FeatureStoreParams\n"
        "from serving.online.feast_store import OnlineReader\n"
        "params = FeatureStoreParams(ttl_days=5, online='sqlite', connection=SecretStr(''))\n"
        f"rows = OnlineReader(params, Path({str(context.home.feast)!r})).read('features_daily', ['S01'])\n"
        "print(rows.height, 'pyspark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]
