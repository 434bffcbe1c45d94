"""Feast over a small real lake: what a row receives, what is refused, what is published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.definitions import ISSUED_VIEW
from features.views import find_view
from pipelines.base.context import Context
from pipelines.base.errors import ContractViolation
from pipelines.io.feature_config import OFFLINE_STORE
from pipelines.io.feature_store import FeatureStore, open_feature_store
from pipelines.tables.contracts import GOLD_FORECASTS
from serving.online.feast_config import APPLIED_FILE, build_config
from tests.gold_tables import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT
from tests.pipelines.synthetic_gold import CALENDAR, Gold, append_rows, correct, make_gold, retract

DAILY = list(find_view("features_daily").feature_names)
TEXT = list(find_view("features_text").feature_names)
FEATURES = [*DAILY, *TEXT]
KEY = ["symbol", "session"]
ISSUED = {
    "model_key": "k",
    "model_version": "3",
    "family": "tft",
    "value": 0.25,
    "rank": 0.5,
    "q10": -1.0,
    "q50": 0.2,
}
LATE, EARLY = "S01", "S02"  # corrected after, and before, the decision
GONE, SILENT = "S03", "S04"  # retracted before the decision, and never delivered


@pytest.fixture(scope="module")
def gold() -> Gold:
    return make_gold(symbols=6, sessions=15)


@pytest.fixture(scope="module")
def day(gold: Gold) -> date:
    """The session that the corrections are about: a Friday, so that the decision comes three days later."""
    return next(session for session in gold.sessions[5:] if session.weekday() == 4)


@pytest.fixture(scope="module")
def context(
    open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory, gold: Gold, day: date
) -> Context:
    """A home whose gold tables hold the first versions and, in later commits, corrections of one session."""
    opened = open_home(tmp_path_factory.mktemp("feast"))
    delivered = gold.daily.filter((pl.col("symbol") != SILENT) | (pl.col("session") != day))
    append_rows(opened.lake, GOLD_FEATURES_DAILY, delivered)
    append_rows(opened.lake, GOLD_FEATURES_TEXT, gold.text)
    versions = [
        correct(gold.daily, LATE, day, days=30, mom_return_1d=77.0),
        correct(gold.daily, EARLY, day, days=1, mom_return_1d=88.0),
        retract(gold.daily, GONE, day, days=1),
    ]
    append_rows(opened.lake, GOLD_FEATURES_DAILY, pl.concat(versions))
    return opened


@pytest.fixture(scope="module")
def store(context: Context) -> FeatureStore:
    return open_feature_store(context)


@pytest.fixture(scope="module")
def spine(gold: Gold) -> pl.DataFrame:
    """Every symbol and session with its decision instant, and a column of the caller's own."""
    decisions = CALENDAR.frame(gold.sessions[0], gold.sessions[-1]).select("session", "decision_at")
    rows = gold.daily.select(KEY).join(decisions, on="session")
    return rows.with_columns(pl.lit(0.5).alias("label")).sort(KEY)


def ask(
    context: Context, store: FeatureStore, spine: pl.DataFrame, names: list[str], **more: object
) -> pl.DataFrame:
    rows = context.lake.distribute(spine, spine.schema)
    frame = store.point_in_time_frame(rows, names, at="decision_at", **more)  # type: ignore[arg-type]
    return context.lake.collect(frame).sort(KEY)


@pytest.fixture(scope="module")
def frame(context: Context, store: FeatureStore, spine: pl.DataFrame) -> pl.DataFrame:
    return ask(context, store, spine, FEATURES)


def of(frame: pl.DataFrame, symbol: str, session: date) -> pl.DataFrame:
    return frame.filter((pl.col("symbol") == symbol) & (pl.col("session") == session))


def test_row_t_holds_the_vector_of_session_t(
    frame: pl.DataFrame, gold: Gold, spine: pl.DataFrame, day: date
) -> None:
    untouched = pl.col("session") != day
    expected = (
        spine.join(gold.daily.select(*KEY, *DAILY), on=KEY)
        .join(gold.text.select(*KEY, *TEXT), on=KEY, how="left")
        .select(*spine.columns, *FEATURES)
    )
    assert_frame_equal(
        frame.filter(untouched), expected.filter(untouched), check_row_order=False, check_exact=True
    )


def test_a_version_known_after_the_decision_is_not_seen(frame: pl.DataFrame, gold: Gold, day: date) -> None:
    first = of(gold.daily, LATE, day)["mom_return_1d"].item()
    assert of(frame, LATE, day)["mom_return_1d"].item() == first != 77.0


def test_a_version_known_before_the_decision_is(frame: pl.DataFrame, day: date) -> None:
    assert of(frame, EARLY, day)["mom_return_1d"].item() == 88.0


def test_a_retracted_or_missing_row_never_falls_back(frame: pl.DataFrame, day: date) -> None:
    assert of(frame, GONE, day).is_empty()
    assert of(frame, SILENT, day).is_empty()
    assert of(frame, GONE, CALENDAR.shift(day, 1)).height == 1


def test_refusals_are_counted_by_reason(
    context: Context, store: FeatureStore, spine: pl.DataFrame, gold: Gold
) -> None:
    before = spine.head(1).with_columns(
        pl.lit("S99").alias("symbol"), pl.lit(gold.sessions[0]).alias("session")
    )
    rows = pl.concat([spine, before])
    counts = store.count_refusals(context.lake.distribute(rows, rows.schema), at="decision_at")
    assert counts == {"retracted": 1, "absent": 2}


def test_text_of_another_session_is_unknown(frame: pl.DataFrame, gold: Gold) -> None:
    silent = frame.join(gold.text.select(KEY), on=KEY, how="anti")
    assert silent.height > 0
    assert silent.select(TEXT).null_count().row(0) == (silent.height,) * len(TEXT)


def test_tables_are_read_at_the_version_that_is_named(
    context: Context, store: FeatureStore, spine: pl.DataFrame, gold: Gold, day: date
) -> None:
    written = {"gold.features_daily": 1}
    then = ask(context, store, spine, ["mom_return_1d"], at_versions=written)
    assert of(then, EARLY, day)["mom_return_1d"].item() == of(gold.daily, EARLY, day)["mom_return_1d"].item()
    assert of(then, GONE, day).height == 1


def test_point_in_time_frame_refuses_an_unknown_feature(
    context: Context, store: FeatureStore, spine: pl.DataFrame
) -> None:
    with pytest.raises(KeyError, match="no feature is called 'mom_return_9y'"):
        ask(context, store, spine, ["mom_return_9y"])


@pytest.mark.parametrize("column", ["symbol", "session", "decision_at"])
def test_point_in_time_frame_refuses_a_spine_without(
    context: Context, store: FeatureStore, spine: pl.DataFrame, column: str
) -> None:
    with pytest.raises(ContractViolation, match=rf"spine\.{column}: is missing"):
        ask(context, store, spine.drop(column), ["mom_return_1d"])


def test_point_in_time_frame_refuses_an_empty_spine(
    context: Context, store: FeatureStore, spine: pl.DataFrame
) -> None:
    with pytest.raises(ValueError, match="the spine holds no row"):
        ask(context, store, spine.clear(), ["mom_return_1d"])


def test_apply_does_nothing_until_definitions_change(context: Context, store: FeatureStore) -> None:
    store.apply()
    assert store.apply() is False
    (context.home.feast / APPLIED_FILE).unlink()
    assert store.apply() is True
    (context.home.feast / "registry.db").unlink()
    assert store.apply() is True
    for torn in (b"", b'{"definitions": ', b"\xff\xfe"):
        (context.home.feast / APPLIED_FILE).write_bytes(torn)
        assert (store.apply(), store.apply()) == (True, False)


def test_apply_takes_up_after_a_crash(context: Context, store: FeatureStore) -> None:
    (context.home.feast / "registry.db.new").write_bytes(b"half a regis")
    (context.home.feast / APPLIED_FILE).unlink()
    assert store.apply() is True
    assert not (context.home.feast / "registry.db.new").exists()


def test_feasts_own_materialisation_is_refused(context: Context, store: FeatureStore, day: date) -> None:
    store.apply()
    import feast

    config = build_config(context.settings.feature_store, context.home.feast, offline_store=OFFLINE_STORE)
    opened = feast.FeatureStore(config=config)
    assert {service.name for service in opened.list_feature_services()} == {"core", "alpha158", "issued"}
    start, end = CALENDAR.close_at(day) - timedelta(days=3), CALENDAR.close_at(day)
    with pytest.raises(NotImplementedError, match="bellwether materialize"):
        opened.materialize(start_date=start, end_date=end, feature_views=["features_daily"])


@pytest.fixture
def fresh(open_home: Callable[..., Context], tmp_path: Path) -> FeatureStore:
    """An empty online store over an empty lake."""
    return open_feature_store(open_home(tmp_path / "home"))


def latest(gold: Gold, place: int = -1) -> pl.DataFrame:
    return gold.daily.filter(pl.col("session") == gold.sessions[place]).sort("symbol")


def test_publish_puts_online_what_gold_holds(fresh: FeatureStore, gold: Gold) -> None:
    rows = latest(gold)
    assert fresh.publish(rows, "features_daily") == rows.height
    online = fresh.online(rows["symbol"].to_list(), "features_daily")
    assert_frame_equal(
        online, rows.drop("month"), check_column_order=False, check_row_order=False, check_exact=True
    )
    assert fresh.publish(rows, "features_daily") == 0


def test_publish_never_puts_an_older_row_over_a_newer(fresh: FeatureStore, gold: Gold) -> None:
    rows, before = latest(gold), latest(gold, -2)
    known_later = before.with_columns(pl.col("known_at") + timedelta(days=90))
    assert fresh.publish(rows, "features_daily") == rows.height
    assert fresh.publish(before, "features_daily") == 0
    assert fresh.publish(known_later, "features_daily") == 0
    online = fresh.online(rows["symbol"].to_list(), "features_daily")
    assert online["session"].unique().to_list() == [gold.sessions[-1]]


def test_publish_puts_a_retraction_over_the_value(fresh: FeatureStore, gold: Gold) -> None:
    rows = latest(gold)
    fresh.publish(rows, "features_daily")
    assert fresh.publish(retract(gold.daily, GONE, gold.sessions[-1], days=1), "features_daily") == 1
    row = fresh.online([GONE], "features_daily")
    assert row["valid"].to_list() == [False]
    assert row.select(DAILY).null_count().row(0) == (1,) * len(DAILY)


def test_publish_writes_rows_whose_features_are_all_unknown(fresh: FeatureStore, gold: Gold) -> None:
    silent = latest(gold).with_columns(pl.lit(None, pl.Float64).alias(name) for name in DAILY)
    assert fresh.publish(silent, "features_daily") == silent.height
    online = fresh.online(["S00"], "features_daily")
    assert (online["valid"].to_list(), online["mom_return_1d"].to_list()) == ([True], [None])


def test_publish_of_nothing_writes_nothing(fresh: FeatureStore, gold: Gold) -> None:
    assert fresh.publish(latest(gold).clear(), "features_daily") == 0
    assert fresh.online(["S00"], "features_daily").is_empty()


def test_publish_refuses_two_rows_of_a_symbol(fresh: FeatureStore, gold: Gold) -> None:
    with pytest.raises(ContractViolation, match=r"\['S00'\] occur more than once"):
        fresh.publish(gold.daily.filter(pl.col("symbol") == "S00"), "features_daily")


def test_issued_forecasts_go_online_with_their_version(fresh: FeatureStore, gold: Gold) -> None:
    session = gold.sessions[-1]
    decision_at = CALENDAR.decision_at(session)
    forecasts = latest(gold).select(
        *KEY, "event_timestamp", "month",
        *(pl.lit(value).alias(name) for name, value in ISSUED.items()),
        pl.lit(None, pl.Float64).alias("q90"),
        pl.lit(5, pl.Int32).alias("horizon"),
        pl.lit(6, pl.Int32).alias("universe"),
        pl.lit("i").alias("issue"),
        pl.lit("d").alias("input_digest"),
        pl.lit(CALENDAR.cutoff_at(session)).alias("cutoff_at"),
        pl.lit(decision_at).alias("decision_at"),
        pl.lit(decision_at + timedelta(minutes=1)).alias("issued_at"),
        pl.lit(value=False).alias("in_sample"),
    ).select(GOLD_FORECASTS.columns)  # fmt: skip
    assert fresh.publish(forecasts, ISSUED_VIEW) == 6
    row = fresh.online(["S02"], ISSUED_VIEW).row(0, named=True)
    assert (row["session"], row["model_version"], row["horizon"]) == (session, "3", 5)
    assert (row["value"], row["q90"], row["universe"], row["in_sample"]) == (0.25, None, 6, False)
    assert (row["decision_at"], row["issued_at"]) == (decision_at, decision_at + timedelta(minutes=1))
    again = forecasts.with_columns(pl.col("issued_at") - timedelta(minutes=5), pl.lit(9.0).alias("value"))
    assert fresh.publish(again, ISSUED_VIEW) == 0


def test_online_leaves_out_unknown_symbols(fresh: FeatureStore, gold: Gold) -> None:
    fresh.publish(latest(gold), "features_daily")
    assert fresh.online(["S00", "NONE"], "features_daily")["symbol"].to_list() == ["S00"]
    assert fresh.online(["S00"], "features_text").is_empty()
