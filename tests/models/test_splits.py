"""Exact dates of folds and hold-out, and what purge and embargo leave out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.params import SplitParams
from models.splits import InsufficientHistoryError, Part, labelled_sessions, plan_splits
from tests.models.market import weekdays

PARAMS = SplitParams(
    horizon_sessions=2, embargo_sessions=1, n_folds=2, test_sessions=4, validation_sessions=3,
    min_train_sessions=3, holdout_sessions=5, min_holdout_sessions=2,
)  # fmt: skip


def make_frame(sessions: int, horizon: int = 2) -> pl.DataFrame:
    """One symbol; session k is decided on k's evening and its label ends at the close of k + 1 + horizon."""
    days = weekdays(sessions + horizon + 1)
    return pl.DataFrame(
        {
            "symbol": ["A"] * sessions,
            "session": days[:sessions],
            "cutoff_at": [datetime.combine(day, time(22), UTC) for day in days[:sessions]],
            "label_end": [datetime.combine(day, time(21), UTC) for day in days[1 + horizon :]],
            "target": [0.5] * sessions,
        }
    )


def numbers(part: Part) -> tuple[int, int]:
    """First and last session of a part as places among the weekdays."""
    days = weekdays(60)
    return days.index(part.first), days.index(part.last)


def test_that_a_frame_of_thirty_sessions_is_cut_at_these_dates() -> None:
    plan = plan_splits(make_frame(30), PARAMS)
    # Hold-out 25..29. Session k is known at k+3, by the decision of session 25-1 at the latest: k <= 21.
    assert numbers(plan.final.test) == (25, 29)
    assert numbers(plan.final.validation) == (19, 21)
    assert numbers(plan.final.fit) == (0, 15)
    # Folds end at 21: 18..21 and 14..17, each with its own purged validation and fit.
    assert [numbers(fold.test) for fold in plan.folds] == [(14, 17), (18, 21)]
    assert [numbers(fold.validation) for fold in plan.folds] == [(8, 10), (12, 14)]
    assert [numbers(fold.fit) for fold in plan.folds] == [(0, 4), (0, 8)]
    assert plan.final.test.first == date(2015, 2, 9)
    assert plan.final.test.last == date(2015, 2, 13)


def test_that_without_embargo_only_overlapping_labels_are_left_out() -> None:
    plan = plan_splits(make_frame(30), replace(PARAMS, embargo_sessions=0))
    # Session 22's label ends at the close of 25, before 25's decision; 23's does not.
    assert numbers(plan.final.validation) == (20, 22)


def test_that_a_rolling_window_forgets() -> None:
    plan = plan_splits(make_frame(40), replace(PARAMS, max_train_sessions=10))
    assert numbers(plan.final.validation) == (29, 31)
    assert numbers(plan.final.fit) == (22, 25)


def test_that_rows_known_too_late_are_purged_one_by_one() -> None:
    frame = make_frame(30)
    late = frame.filter(pl.col("session") == weekdays(60)[10]).with_columns(
        pl.lit("B").alias("symbol"), pl.col("label_end") + timedelta(days=60)
    )
    both = pl.concat([frame, late])
    fold = plan_splits(both, PARAMS).final
    assert fold.fit.rows(both).filter(pl.col("symbol") == "B").is_empty()
    assert fold.fit.rows(both).height == 16


def test_that_sessions_without_targets_do_not_count() -> None:
    frame = make_frame(30).with_columns(
        pl.when(pl.col("session") == date(2015, 1, 6)).then(None).otherwise(pl.col("target")).alias("target")
    )
    assert labelled_sessions(frame).height == 29


def test_that_a_short_history_says_what_is_missing() -> None:
    with pytest.raises(
        InsufficientHistoryError, match="25 labelled sessions are fewer than the 28 that n_folds=2"
    ):
        plan_splits(make_frame(25), PARAMS)


def test_that_slow_labels_leave_too_little_to_fit_on() -> None:
    with pytest.raises(InsufficientHistoryError, match="would fit on 0 sessions, below min_train_sessions=3"):
        plan_splits(make_frame(30, horizon=12), PARAMS)


def test_that_the_record_is_plain_text() -> None:
    record = plan_splits(make_frame(30), PARAMS).as_record()
    assert record["final"]["test"] == {"first": "2015-02-09", "last": "2015-02-13", "known_by": None}
    assert record["folds"][0]["fit"]["known_by"] == "2015-01-14T22:00:00+00:00"


@settings(max_examples=30, deadline=None)
@given(
    sessions=st.integers(60, 90),
    horizon=st.integers(1, 5),
    embargo=st.integers(0, 4),
    folds=st.integers(1, 3),
)
def test_that_no_training_outcome_is_later_than_the_first_test_decision(
    sessions: int, horizon: int, embargo: int, folds: int
) -> None:
    params = replace(PARAMS, horizon_sessions=horizon, embargo_sessions=embargo, n_folds=folds)
    frame = make_frame(sessions, horizon)
    plan = plan_splits(frame, params)
    for fold in (*plan.folds, plan.final):
        fit, validation, test = (part.rows(frame) for part in (fold.fit, fold.validation, fold.test))
        assert validation["label_end"].max() <= test["cutoff_at"].min()
        assert fit["label_end"].max() <= validation["cutoff_at"].min()
        assert validation.height == params.validation_sessions
    holdout = plan.final.test.rows(frame)
    assert plan.folds[-1].test.rows(frame)["label_end"].max() <= holdout["cutoff_at"].min()
    assert holdout.height == params.holdout_sessions
