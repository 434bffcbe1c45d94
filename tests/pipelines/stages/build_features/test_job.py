"""Gold follows silver: every view, and the labels, of the sessions that a change reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from features.feature import MAX_LOOKBACK_SESSIONS
from features.views import VIEWS, FeatureView, primary_view
from pipelines.base.context import Context
from pipelines.io.lake import Lake
from pipelines.io.run_log import RunLog
from pipelines.tables.contracts import GOLD_LABELS, feature_table
from tests.pipelines.stages.files_home import (
    DAYS,
    deliver,
    make_bars,
    open_files_home,
    reopen_files_home,
    rows,
    run,
    until,
)
from tests.pipelines.synthetic_gold import CALENDAR

DAILY = feature_table(primary_view())


def test_vectors_and_labels_follow_the_bars(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[9]), "labels.horizon_sessions=[1]",
                              "models.split.horizon_sessions=1")  # fmt: skip
    for stage in ("ingest", "curate"):
        run(context, stage, end=DAYS[9])
    first = run(context, "build_features", end=DAYS[9])
    assert (first.status, first.rows_in, first.sessions_touched) == ("done", 30, 10)
    vectors, labels = rows(context, DAILY), rows(context, GOLD_LABELS)
    assert vectors.height == 30
    one = vectors.filter(symbol="AAA", session=DAYS[5])
    assert one["mom_return_1d"].item() == pytest.approx(106.0 / 105.0 - 1)
    # A label runs from the next close to the one after it: the first is of the session before all bars.
    assert labels.height == 3 * 9
    assert labels["session"].min() == CALENDAR.shift(DAYS[0], -1)
    assert labels["session"].max() == DAYS[7]
    ended = labels.filter(symbol="AAA", session=DAYS[0])
    assert ended["value"].item() == pytest.approx(103.0 / 102.0 - 1)
    assert run(context, "build_features", end=DAYS[9]).status == "unchanged"


def test_a_new_session_builds_itself_alone(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[9]))
    for stage in ("ingest", "curate", "build_features"):
        run(context, stage, end=DAYS[9])
    before = rows(context, DAILY)
    deliver(tmp_path, until(DAYS[10]), "later.csv")
    for stage in ("ingest", "curate"):
        run(context, stage, end=DAYS[10])
    report = run(context, "build_features", end=DAYS[10])
    after = rows(context, DAILY)
    assert report.details[primary_view().name]["rows_out"] == 3
    assert after.filter(session=DAYS[10]).height == 3
    kept = after.filter(after["session"] < DAYS[10]).sort(after.columns)
    assert kept.equals(before.sort(before.columns))


def load(folder: Path, *overrides: str) -> Context:
    """A home whose bars of ten sessions are built."""
    context = open_files_home(folder, until(DAYS[9]), *overrides)
    for stage in ("ingest", "curate", "build_features"):
        run(context, stage, end=DAYS[9])
    return context


def built(context: Context) -> dict[str, int]:
    """Return how many sessions of each table a run builds."""
    details = run(context, "build_features", end=DAYS[9]).details
    return {name: told["sessions_touched"] for name, told in details.items() if "rows_out" in told}


def mended(view: FeatureView, *, lookback: int) -> FeatureView:
    """Return a view of which one feature says that it looks back further."""
    first, *others = view.features
    return replace(view, features=(replace(first, lookback_sessions=lookback), *others))


def test_a_view_with_another_look_back_is_built_anew_alone(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, daily = load(tmp_path), primary_view()
    everything = dict.fromkeys([*VIEWS, "labels"], 0)
    assert built(context) == everything
    monkeypatch.setitem(VIEWS, daily.name, mended(daily, lookback=7))
    before = context.lake.versions([GOLD_LABELS, DAILY])
    assert built(context) == everything | {daily.name: 10}
    # Its values are what they were, and so is the table.
    assert context.lake.versions([GOLD_LABELS, DAILY]) == before
    assert built(context) == everything


def test_a_view_that_is_added_is_built_and_no_other(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, daily = load(tmp_path), primary_view()
    toy = replace(daily, name="features_toy", features=daily.features[:2])
    monkeypatch.setitem(VIEWS, toy.name, toy)
    before = rows(context, DAILY)
    assert built(context) == dict.fromkeys([*VIEWS, "labels"], 0) | {toy.name: 10}
    same = ["symbol", "session", "known_at", *toy.feature_names]
    assert rows(context, feature_table(toy)).select(same).sort(same).equals(before.select(same).sort(same))


def test_a_home_of_a_release_with_one_definition_is_built_anew_once(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = load(tmp_path)
    read = RunLog._read_details
    monkeypatch.setattr(
        RunLog,
        "_read_details",
        lambda log, run_id: {**read(log, run_id), "definitions": {}},
    )
    before = context.lake.versions([DAILY, GOLD_LABELS])
    again = built(context)
    assert (again[primary_view().name], again["labels"]) == (10, 10)
    assert context.lake.versions([DAILY, GOLD_LABELS]) == before
    monkeypatch.undo()
    assert set(built(context).values()) == {0}


def test_bars_are_read_once_for_all_that_is_built_from_them(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily = primary_view()
    toy = replace(daily, name="features_toy", features=daily.features[:2])
    monkeypatch.setitem(VIEWS, toy.name, toy)
    asked: list[str] = []
    collect = Lake.collect_query

    def noted(lake: Lake, query: str, *contracts: object) -> pl.DataFrame:
        asked.append(query)
        return collect(lake, query, *contracts)  # type: ignore[arg-type]

    context = open_files_home(tmp_path, until(DAYS[9]))
    for stage in ("ingest", "curate"):
        run(context, stage, end=DAYS[9])
    monkeypatch.setattr(Lake, "collect_query", noted)
    report = run(context, "build_features", end=DAYS[9])
    assert report.details[toy.name]["rows_out"] == report.details[daily.name]["rows_out"] == 30
    assert report.rows_in == 30
    read = [one for one in asked if "volume" in one and "silver_bars" in one and "count(" not in one]
    assert len(read) == 1


def test_a_daily_build_reads_its_look_back_alone(spark: object, tmp_path: Path) -> None:
    days = CALENDAR.sessions(CALENDAR.shift(DAYS[0], -299), DAYS[0])
    bars = pl.DataFrame({"session": [str(day) for day in days]}).join(
        make_bars().filter(session=str(DAYS[0])).drop("session"), how="cross"
    )
    context = open_files_home(tmp_path, bars.filter(pl.col("session") < str(days[-1])))
    for stage in ("ingest", "curate", "build_features"):
        run(context, stage, start=days[0], end=days[-2])
    deliver(tmp_path, bars.filter(pl.col("session") == str(days[-1])), "later.csv")
    for stage in ("ingest", "curate"):
        run(context, stage, start=days[-1], end=days[-1])
    report = run(context, "build_features", start=days[-1], end=days[-1])
    assert report.details[primary_view().name]["sessions_touched"] == 1
    assert report.rows_in == 3 * MAX_LOOKBACK_SESSIONS


@pytest.mark.parametrize("restated", [[], [3]])
def test_spark_builds_the_same_rows(
    spark: object, tmp_path: Path, restated: Sequence[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = replace(primary_view(), name="features_toy", features=primary_view().features[:2])
    monkeypatch.setitem(VIEWS, toy.name, toy)
    tables = {}
    for engine in ("here", "spark"):
        folder = tmp_path / engine
        folder.mkdir()
        own = [] if engine == "here" else ["lake.local_rows=0", "build_features.block_sessions=4"]
        context = load(folder, *own)
        for place in restated:
            changed = until(DAYS[9]).filter(session=str(DAYS[place])).with_columns(pl.col("close") + 0.5)
            deliver(folder, changed, "restated.csv")
            for stage in ("ingest", "curate", "build_features"):
                run(context, stage, end=DAYS[9])
        found = [rows(reopen_files_home(folder), table) for table in (DAILY, feature_table(toy), GOLD_LABELS)]
        tables[engine] = [table.sort(table.columns) for table in found]
    assert all(table.height for table in tables["here"])
    for here, there in zip(tables["here"], tables["spark"], strict=True):
        assert here.equals(there)


def test_numbers_are_written_plainly_and_names_by_dictionary(spark: object, tmp_path: Path) -> None:
    context = load(tmp_path)
    folder = Path(context.lake.path(DAILY.name).removeprefix("file:"))
    (file, *_) = sorted(folder.rglob("*.parquet"))
    group = pq.ParquetFile(file).metadata.row_group(0)
    encodings = {
        column.path_in_schema: set(column.encodings) for column in map(group.column, range(group.num_columns))
    }
    assert all("RLE_DICTIONARY" not in encodings[name] for name in primary_view().feature_names)
    assert "RLE_DICTIONARY" in encodings["symbol"]
    assert "RLE_DICTIONARY" in encodings["session"]
