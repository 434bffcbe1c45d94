"""Gold follows silver: every view, and the labels, of the sessions that a change reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.views import primary_view
from pipelines.tables.contracts import GOLD_LABELS, feature_table
from tests.pipelines.stages.files_home import DAYS, deliver, open_files_home, rows, run, until
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
