"""A notebook's frame is the one that a training has kept, restricted to the span that was asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pyspark.sql import SparkSession

from features.views import all_features
from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, NothingToDo, SettingsError, TransientError
from pipelines.base.report import SessionRange
from pipelines.notebook import load_frame
from pipelines.registry.challenger import find_challenger
from pipelines.tables.contracts import GOLD_LABELS
from tests.gold_tables import GOLD_FEATURES_DAILY
from tests.pipelines.conftest import SMALL_MODEL
from tests.pipelines.synthetic_gold import (
    CALENDAR,
    Gold,
    append_rows,
    correct,
    make_gold,
    retract,
    write_gold,
)

FEATURES = tuple(feature.name for feature in all_features())
EVERYWHERE = pytest.mark.parametrize("local_rows", [300_000, 0], ids=["here", "spark"])


@dataclass(frozen=True)
class Trained:
    """A home with a trained model, and the frame that its run has kept."""

    context: Context
    gold: Gold
    as_of: date
    kept: pl.DataFrame

    def between(self, start: date, end: date) -> pl.DataFrame:
        """Return the kept frame's rows of a span."""
        return self.kept.filter(pl.col("session").is_between(start, end))

    def load(self, start: Any, end: Any, *overrides: str, name: str = "core", **options: Any) -> Any:
        """Ask for a frame under the settings and the clock of the training."""
        asked = {"home": self.context.home.root, "clock": self.context.clock, **options}
        return load_frame(name, start, end, overrides=[*SMALL_MODEL, *overrides], **asked)


@pytest.fixture(scope="module")
def trained(open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained as of five sessions before the last, with corrections before and after the cuts."""
    gold = make_gold()
    now = CALENDAR.decision_at(gold.sessions[-1])
    context = open_home(tmp_path_factory.mktemp("home"), now=now)
    write_gold(context.lake, gold)
    first, later = FEATURES[0], timedelta(hours=2)
    vectors = [
        correct(gold.daily, "S00", gold.sessions[50], days=3, **{first: 99.0}),
        retract(gold.daily, "S02", gold.sessions[52], days=0).with_columns(pl.col("known_at") + later),
    ]
    labels = [
        correct(gold.labels, "S04", gold.sessions[53], days=2, value=0.5),
        correct(gold.labels, "S05", gold.sessions[55], days=300, value=0.5),
        retract(gold.labels, "S06", gold.sessions[54], days=2),
    ]
    append_rows(context.lake, GOLD_FEATURES_DAILY, pl.concat(vectors))
    append_rows(context.lake, GOLD_LABELS, pl.concat(labels))
    as_of = gold.sessions[-6]
    run_stage(context, "train", SessionRange(start=as_of, end=as_of))
    challenger = find_challenger(context, as_of)
    assert challenger is not None
    return Trained(context, gold, as_of, challenger.read_frame())


@EVERYWHERE
def test_a_span_equals_what_the_training_has_kept(trained: Trained, local_rows: int) -> None:
    start, end = trained.gold.sessions[48], trained.gold.sessions[60]
    frame = trained.load(start, end, f"lake.local_rows={local_rows}", as_of=trained.as_of)
    expected = trained.between(start, end)
    assert expected.height == 13 * 12 - 2
    assert_frame_equal(frame, expected, check_exact=True)
    assert frame.columns == trained.kept.columns


@EVERYWHERE
def test_the_whole_frame_equals_what_the_training_has_kept(trained: Trained, local_rows: int) -> None:
    frame = trained.load(None, trained.as_of, f"lake.local_rows={local_rows}")
    assert_frame_equal(frame, trained.kept, check_exact=True)
    assert frame["session"].max() == trained.gold.sessions[-8]


def test_a_running_session_in_another_zone_changes_nothing(trained: Trained, spark: SparkSession) -> None:
    start, end = trained.gold.sessions[48], trained.gold.sessions[50]
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        frame = trained.load(start, end, "lake.local_rows=0", as_of=trained.as_of)
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    assert_frame_equal(frame, trained.between(start, end), check_exact=True)


def test_labels_are_those_known_at_the_end_unless_an_as_of_is_named(trained: Trained) -> None:
    start, end = trained.gold.sessions[51], trained.gold.sessions[54]
    then = trained.load(str(start), str(end))
    later = trained.load(start, end, as_of=trained.as_of)
    assert (then["session"].max(), later["session"].max()) == (trained.gold.sessions[52], end)
    assert (then.height, later.height) == (2 * 12 - 1, 4 * 12 - 2)


def test_another_set_is_a_choice_of_columns(trained: Trained) -> None:
    names = ["mom_return_5d", "text_count_1d", "mom_return_252d_skip21"]
    start, end = trained.gold.sessions[48], trained.gold.sessions[60]
    asked = f"features.sets.mine=[{', '.join(names)}]"
    frame = trained.load(start, end, asked, name="mine", as_of=trained.as_of)
    expected = trained.between(start, end)
    assert_frame_equal(frame, expected.select(frame.columns), check_exact=True)
    assert frame.columns[5:] == [*names, "target"]


def test_pandas_is_the_same_frame_in_its_own_types(trained: Trained) -> None:
    start, end = trained.gold.sessions[48], trained.gold.sessions[50]
    there = trained.load(start, end, as_of=trained.as_of, kind="pandas")
    here = trained.between(start, end)
    assert list(there.columns) == here.columns
    assert there["target"].to_list() == here["target"].to_list()
    assert int(there["text_count_1d"].isna().sum()) == here["text_count_1d"].null_count() > 0


@EVERYWHERE
def test_home_and_lake_stay_as_they_are(trained: Trained, local_rows: int) -> None:
    def files() -> dict[Path, int]:
        root = trained.context.home.root
        # Spark's scratch folder aside, which is below run/spark.
        found = (path for path in root.rglob("*") if path.is_file() and root / "run" not in path.parents)
        return {path: path.stat().st_mtime_ns for path in found if path.name != ".writer.lock"}

    before, active = files(), SparkSession.getActiveSession()
    own = f"lake.local_rows={local_rows}"
    trained.load(
        trained.gold.sessions[48], trained.gold.sessions[50], own, "features.sets.few=[mom_return_1d]"
    )
    assert files() == before
    assert SparkSession.getActiveSession() is active
    assert active is not None
    assert active.sql("select 1 as one").collect()[0]["one"] == 1


def test_few_rows_start_no_spark(trained: Trained) -> None:
    script = (
        "import sys; from datetime import UTC, datetime; from pipelines.notebook import load_frame\n"
        "frame = load_frame('core', sys.argv[2], sys.argv[3], home=sys.argv[1], overrides=sys.argv[4:],"
        " clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))\n"
        "from pyspark import SparkContext\n"
        "print(frame.height, SparkContext._gateway)"
    )
    asked = [str(trained.context.home.root), "2016-03-14", "2016-03-18", *SMALL_MODEL]
    command = [sys.executable, "-c", script, *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.split() == ["36", "None"], done.stderr


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"name": "croe"}, SettingsError, "feature_set='croe' is not known; near matches: core"),
        (
            {"start": "2016-05-02", "end": "2016-04-01"},
            SettingsError,
            "start=2016-05-02 is after end=2016-04-01",
        ),
        ({"start": "2016-5-2"}, SettingsError, "start='2016-5-2' is not a date; give YYYY-MM-DD"),
        ({"start": "1901-01-02"}, SettingsError, "start=1901-01-02 lies outside the calendar XNYS"),
        ({"end": "2199-01-02"}, SettingsError, "end=2199-01-02 lies outside the calendar XNYS"),
        ({"start": "2016-04-02", "end": "2016-04-03"}, NothingToDo, "no session of XNYS lies in 2016-04-02"),
        ({"as_of": "2016-03-01"}, SettingsError, "as_of=2016-03-01 is before end=2016-04-29"),
        ({"horizon_sessions": 7}, SettingsError, "horizon_sessions=7 must be one of labels.horizon_sessions"),
        ({"kind": "arrow"}, SettingsError, "kind='arrow' must be 'polars' or 'pandas'"),
        ({"end": "2016-12-30"}, TransientError, "is cut off at 2016-12-31"),
        ({"start": "2015-03-02", "end": "2015-04-01"}, BadDataError, "there are labels of 2016-01-04 to"),
        ({"home": "no/such"}, SettingsError, "home='no/such': there is no such folder"),
    ],
)
def test_a_slip_is_named(trained: Trained, asked: dict[str, Any], error: type[Exception], said: str) -> None:
    given = {"start": "2016-04-01", "end": "2016-04-29", **asked}
    with pytest.raises(error, match=said):
        trained.load(given.pop("start"), given.pop("end"), **given)


def test_a_set_that_names_what_does_not_exist_is_refused(trained: Trained) -> None:
    with pytest.raises(
        SettingsError, match=r"features\.sets\.mine=\['mom_x'\]: no feature is called 'mom_x'"
    ):
        trained.load("2016-04-01", "2016-04-29", "features.sets.mine=[mom_x]", name="mine")


@EVERYWHERE
def test_a_frame_that_is_too_large_is_refused_and_never_cut_short(trained: Trained, local_rows: int) -> None:
    bound = ("training.max_frame_rows=100", f"lake.local_rows={local_rows}")
    with pytest.raises(BadDataError, match=r"rows exceed training\.max_frame_rows=100"):
        trained.load(None, None, *bound)


def test_a_home_without_labels_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="has no labels yet; run `bellwether build_features` first"):
        load_frame("core", "2016-04-01", "2016-04-29", home=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_datetime_counts_by_its_date(trained: Trained) -> None:
    day = trained.gold.sessions[50]
    moment = datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001
    assert trained.load(moment, moment, as_of=trained.as_of)["session"].unique().to_list() == [day]
