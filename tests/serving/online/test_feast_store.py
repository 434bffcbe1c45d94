"""Reading the online store, without Spark and without the declarations."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.io.feature_store import FeatureStore
from serving.online.feast_config import PUBLISHED_FILE, REFUSED_FILE, SYMBOLS_FILE
from serving.online.feast_store import FeastOnlineStore
from serving.online.store import ViewFeatures
from tests.pipelines.synthetic_gold import Gold, make_gold
from tests.serving.homes import PARAMS, open_store

AT = datetime(2016, 2, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def gold() -> Gold:
    return make_gold(symbols=4, sessions=12)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> FeatureStore:
    return open_store(home)


@pytest.fixture
def online_store(home: Path) -> FeastOnlineStore:
    return FeastOnlineStore(PARAMS, home / "feast")


def latest(gold: Gold, place: int = -1) -> pl.DataFrame:
    return gold.daily.filter(pl.col("session") == gold.sessions[place]).sort("symbol")


def test_it_sees_what_was_published_since_it_was_opened(
    store: FeatureStore, online_store: FeastOnlineStore, gold: Gold
) -> None:
    assert (online_store.published(), online_store.version()) == (None, None)
    store.publish(latest(gold, -2), "features_daily")
    before = online_store.version()
    assert online_store.read_view("features_daily", ["S01"])["session"].to_list() == [gold.sessions[-2]]
    assert online_store.version() == before
    store.publish(latest(gold), "features_daily")
    assert online_store.version() != before
    rows = online_store.read_view("features_daily", ["S03", "S01", "NONE"])
    assert rows["symbol"].to_list() == ["S03", "S01"]
    expected = latest(gold).filter(pl.col("symbol").is_in(["S01", "S03"])).drop("month")
    assert_frame_equal(rows, expected, check_column_order=False, check_row_order=False, check_exact=True)


def test_it_refuses_an_unknown_view(store: FeatureStore, online_store: FeastOnlineStore) -> None:
    with pytest.raises(ValueError, match="has no applied feature views; run `bellwether materialize`"):
        online_store.read_view("features_weekly", ["S01"])
    store.apply()
    with pytest.raises(ValueError, match=r"view='features_weekly' must be one of .*'features_daily'"):
        online_store.read_view("features_weekly", ["S01"])


def test_it_reads_what_is_asked_for_and_nothing_else(
    store: FeatureStore, online_store: FeastOnlineStore, gold: Gold
) -> None:
    store.publish(latest(gold), "features_daily")
    names = ("vol_realised_20d", "mom_return_1d")
    views = (
        ViewFeatures(name="features_daily", features=names),
        ViewFeatures(name="features_text", features=()),
    )
    rows = online_store.read(["S01"], views)
    assert rows.views["features_daily"].columns == [
        "symbol", "session", "event_timestamp", "known_at", "valid", *names,
    ]  # fmt: skip
    assert rows.views["features_daily"].height == 1
    assert (rows.views["features_text"].height, rows.issued.height) == (0, 0)


def test_publication_record_counts_the_session(
    store: FeatureStore, online_store: FeastOnlineStore, gold: Gold
) -> None:
    store.apply()
    last, before = gold.sessions[-1], gold.sessions[-2]
    rows = pl.concat([latest(gold).head(2), latest(gold, -2).slice(2, 1), latest(gold, -12).slice(3, 1)])
    store.record_publication(rows, session=last, at=AT)
    published = online_store.published()
    assert published is not None
    assert (published.session, published.published_at) == (last, AT)
    assert (published.symbols, published.expected) == (2, 3)  # the fourth symbol left a week ago
    store.record_publication(rows, session=before, at=AT + timedelta(days=1))
    assert online_store.published() == published
    store.record_publication(rows, session=last, at=AT + timedelta(days=1))
    assert online_store.published() == published
    store.record_publication(rows, session=last + timedelta(days=1), at=AT + timedelta(days=1))
    assert online_store.published() == published  # no row of that day is known


@pytest.mark.parametrize("torn", [b"", b'{"session": "2024', b"\xff\xfe", b"[]", b'{"session": 7}'])
def test_a_torn_publication_record_says_what_it_said_and_is_written_anew(
    torn: bytes, store: FeatureStore, online_store: FeastOnlineStore, home: Path, gold: Gold
) -> None:
    store.apply()
    last = gold.sessions[-1]
    store.record_publication(latest(gold).head(2), session=last, at=AT)
    before = online_store.published()
    (home / "feast" / PUBLISHED_FILE).write_bytes(torn)
    assert online_store.published() == before is not None
    later = AT + timedelta(hours=1)
    store.record_publication(latest(gold).head(2), session=last, at=later)
    published = online_store.published()
    assert published is not None
    assert (published.session, published.published_at) == (last, later)
    (home / "feast" / PUBLISHED_FILE).unlink()
    assert online_store.published() is None


@pytest.mark.parametrize("torn", [b"", b'{"symbols": ["S0', b"\xff\xfe", b"[]", b'{"symbols": 7}'])
def test_the_list_of_symbols_grows_and_a_torn_one_refuses_nobody(
    torn: bytes, store: FeatureStore, online_store: FeastOnlineStore, home: Path
) -> None:
    store.apply()
    assert online_store.symbols() is None
    store.note_symbols(["S01", "S00"])
    assert online_store.symbols() == {"S00", "S01"}
    store.note_symbols(["S02"])
    assert online_store.symbols() == {"S00", "S01", "S02"}
    (home / "feast" / SYMBOLS_FILE).write_bytes(torn)
    assert online_store.symbols() is None
    store.note_symbols(["S02"])
    assert online_store.symbols() == {"S02"}


def test_an_answer_from_the_cache_waits_for_no_read(
    store: FeatureStore, online_store: FeastOnlineStore, gold: Gold
) -> None:
    store.publish(latest(gold), "features_daily")
    with online_store._turn, ThreadPoolExecutor(1) as pool:
        assert pool.submit(online_store.version).result(30) is not None


@pytest.mark.parametrize("torn", [b"", b'{"aaa": "fea', b"\xff\xfe", b"[]"])
def test_a_torn_record_of_refusals_says_what_it_said(
    torn: bytes, store: FeatureStore, online_store: FeastOnlineStore, home: Path
) -> None:
    store.apply()
    assert online_store.refused("aaa") is None
    store.note_refusal("aaa", "features differ")
    assert online_store.refused("aaa") == "features differ"
    (home / "feast" / REFUSED_FILE).write_bytes(torn)
    assert online_store.refused("aaa") == "features differ"
    store.note_refusal("bbb", "others too")
    store.note_refusal("bbb", "")
    assert online_store.refused("aaa") is None


def test_reading_needs_no_spark(store: FeatureStore, home: Path, gold: Gold) -> None:
    store.publish(latest(gold), "features_daily")
    program = (
        "import sys; from pathlib import Path; from pydantic import SecretStr\n"
        "from serving.online.params import FeatureStoreParams\n"
        "from serving.online.feast_store import FeastOnlineStore\n"
        "params = FeatureStoreParams(online='sqlite', connection=SecretStr(''))\n"
        f"store = FeastOnlineStore(params, Path({str(home / 'feast')!r}))\n"
        "rows = store.read_view('features_daily', ['S01'])\n"
        "print(rows.height, 'pyspark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]
