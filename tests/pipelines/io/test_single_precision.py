"""A view in single precision: rounded once, the same bits in the file, in every read and online."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from features.views import find_view
from pipelines.base.context import Context
from pipelines.io.feature_retrieval import INSTANT_COLUMN, read_features
from pipelines.io.feature_store import open_feature_store
from pipelines.tables.contracts import feature_table
from serving.online.feast_store import FeastOnlineStore
from serving.online.params import FeatureStoreParams
from tests.gold_tables import GOLD_FEATURES_DAILY
from tests.panels import random_panel, sessions_of, source_rows
from tests.pipelines.synthetic_gold import CALENDAR, MONTH

VIEW = find_view("features_alpha158")
NAMES = list(VIEW.feature_names)
TABLE = feature_table(VIEW)
SESSIONS = 90


@dataclass(frozen=True)
class Stored:
    """A home whose gold holds the factors of a small market, and those factors as they were computed."""

    context: Context
    computed: pl.DataFrame

    @property
    def last(self) -> date:
        """The newest session."""
        newest: date = self.computed["session"].max()  # type: ignore[assignment]
        return newest


@pytest.fixture(scope="module")
def stored(open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory) -> Stored:
    days = sessions_of(SESSIONS)
    context = open_home(tmp_path_factory.mktemp("single"), now=CALENDAR.decision_at(days[-1]))
    panel = random_panel(4, SESSIONS, seed=9, gap_share=0.05)
    values = VIEW.evaluate(source_rows(panel), pl.DataFrame({"session": days}), CALENDAR)
    bars = panel.filter("valid").select("symbol", "session")
    closes = CALENDAR.frame(days[0], days[-1]).select("session", "event_timestamp")
    rows = bars.join(closes, on="session").with_columns(
        pl.col("event_timestamp").dt.offset_by("10m").alias("known_at"), MONTH, valid=pl.lit(value=True)
    )
    context.lake.append(TABLE, rows.join(values, on=["symbol", "session"]).select(TABLE.columns))
    silent = (pl.lit(None, pl.Float64).alias(name) for name in find_view("features_daily").feature_names)
    context.lake.append(GOLD_FEATURES_DAILY, rows.with_columns(*silent).select(GOLD_FEATURES_DAILY.columns))
    return Stored(context, bars.join(values, on=["symbol", "session"]).sort("symbol", "session"))


def test_the_files_hold_four_bytes_a_value(stored: Stored) -> None:
    folder = Path(stored.context.lake.path(TABLE.name).removeprefix("file:"))
    schema = pq.read_schema(next(folder.rglob("*.parquet")))
    assert {str(schema.field(name).type) for name in NAMES} == {"float"}


@pytest.mark.parametrize("distributed", [False, True])
def test_every_read_gives_the_bits_that_were_computed(stored: Stored, distributed: bool) -> None:
    context = stored.context
    cuts = CALENDAR.frame(stored.computed["session"].min(), stored.last)  # type: ignore[arg-type]
    spine = stored.computed.select("symbol", "session").join(
        cuts.select("session", pl.col("cutoff_at").alias(INSTANT_COLUMN)), on="session"
    )
    asked = context.lake.distribute(spine, spine.schema) if distributed else spine
    found = context.lake.collect(read_features(context, asked, NAMES)).sort("symbol", "session")
    assert_frame_equal(
        found.select("symbol", "session", *NAMES), stored.computed, check_exact=True, check_dtypes=True
    )
    assert found.select(pl.col(NAMES).is_not_null().any()).row(0).count(False) == 0


@pytest.fixture(scope="module")
def half_built(stored: Stored) -> date:
    """One more session, of which the primary view is built and no other."""
    beyond = CALENDAR.shift(stored.last, 1)
    rows = stored.context.lake.collect_table(GOLD_FEATURES_DAILY).filter(pl.col("session") == stored.last)
    later = (pl.lit(CALENDAR.close_at(beyond)).alias(name) for name in ("event_timestamp", "known_at"))
    moved = rows.with_columns(pl.lit(beyond).alias("session"), *later).with_columns(MONTH)
    stored.context.lake.append(GOLD_FEATURES_DAILY, moved.select(GOLD_FEATURES_DAILY.columns))
    return beyond


@pytest.mark.parametrize("distributed", [False, True])
def test_a_row_that_is_not_built_yet_is_no_row_of_unknown_values(
    stored: Stored, half_built: date, distributed: bool
) -> None:
    context = stored.context
    spine = stored.computed.filter(pl.col("session") == stored.last).select(
        "symbol",
        pl.lit(half_built).alias("session"),
        pl.lit(CALENDAR.cutoff_at(half_built)).alias(INSTANT_COLUMN),
    )
    asked = context.lake.distribute(spine, spine.schema) if distributed else spine
    found = {
        name: context.lake.collect(read_features(context, asked, [name])).height
        for name in ("mom_return_1d", "text_count_1d", "a158_KMID")
    }
    assert found == {"mom_return_1d": spine.height, "text_count_1d": spine.height, "a158_KMID": 0}


def test_what_goes_online_comes_back_in_its_own_type(stored: Stored) -> None:
    context, store = stored.context, open_feature_store(stored.context)
    store.apply()
    rows = context.lake.collect_table(TABLE).filter(pl.col("session") == stored.last).sort("symbol")
    assert store.publish(rows, VIEW.name) == rows.height > 1
    assert store.publish(rows, VIEW.name) == 0
    online = FeastOnlineStore(context.params(FeatureStoreParams), context.home.feast)
    for read in (store.online, lambda symbols, view: online.read_view(view, symbols)):
        found = read(rows["symbol"].to_list(), VIEW.name)
        assert_frame_equal(found.select("symbol", *NAMES), rows.select("symbol", *NAMES), check_exact=True)
    moved = rows.with_columns(pl.col("known_at") + timedelta(minutes=1), a158_KMID=pl.lit(0.1, pl.Float32))
    assert store.publish(moved, VIEW.name) == rows.height
    assert online.read_view(VIEW.name, [rows["symbol"][0]])["a158_KMID"].dtype == pl.Float32
