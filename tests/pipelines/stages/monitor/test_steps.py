"""Five-row tables through the steps of monitor."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from pipelines.stages.monitor.scales import SCALES, Scale
from pipelines.stages.monitor.steps import (
    IN_TIME,
    choose_columns,
    choose_windows,
    is_training_due,
    last_issue,
    measure_sessions,
    rank_features,
    realise_ic,
    sample_rows,
)

DAY = date(2024, 1, 2)
SYMBOLS = ["A", "B", "C", "D", "E"]


def session_of(values: list[float | None]) -> pl.DataFrame:
    """One session whose three features are the same numbers."""
    return pl.DataFrame(
        {
            "session": [DAY] * len(values),
            **{scale.feature: values for scale in SCALES},
        },
        schema_overrides={scale.feature: pl.Float64 for scale in SCALES},
    )


def test_measure_sessions_takes_medians_over_symbols() -> None:
    measured = measure_sessions(session_of([1.0, 2.0, 4.0, 5.0, 9.0]), min_symbols=3).row(0, named=True)
    assert measured["symbols"] == 5
    assert measured["intraday_range"] == pytest.approx(math.log(4))
    assert measured["return_dispersion"] == pytest.approx(math.log(2))  # distances 3, 2, 0, 1, 5


def test_a_common_move_leaves_the_dispersion_as_it_is() -> None:
    spread = next(scale for scale in SCALES if scale.kind == "spread")
    moved = [
        measure_sessions(session_of([base + step for step in (0, 1, 3)]), min_symbols=3) for base in (1, 50)
    ]
    assert moved[0][spread.name].item() == pytest.approx(moved[1][spread.name].item())


def test_twice_the_scale_is_a_shift_of_log_two() -> None:
    once, twice = (
        measure_sessions(session_of([factor * value for value in (1.0, 2.0, 4.0)]), min_symbols=3)
        for factor in (1, 2)
    )
    for scale in SCALES:
        assert twice[scale.name].item() - once[scale.name].item() == pytest.approx(math.log(2))


def test_a_thin_session_or_a_flat_one_measures_nothing() -> None:
    assert measure_sessions(session_of([1.0, 2.0]), min_symbols=3)["intraday_range"].to_list() == [None]
    assert measure_sessions(session_of([0.0, 0.0, 0.0]), min_symbols=3)["intraday_range"].to_list() == [None]
    assert measure_sessions(session_of([None, None, None]), min_symbols=3)["return_dispersion"].to_list() == [
        None
    ]


def test_scales_are_features_of_the_catalog() -> None:
    from features.views import find_feature

    assert all(isinstance(scale, Scale) and find_feature(scale.feature) for scale in SCALES)


def test_choose_windows() -> None:
    days = [DAY + timedelta(days=step) for step in range(10)]
    windows = choose_windows(days, reference=4, current=2)
    assert (windows.reference, windows.current) == (tuple(days[4:8]), tuple(days[8:]))
    short = choose_windows(days[:3], reference=4, current=2)
    assert (short.reference, short.current) == (tuple(days[:1]), tuple(days[1:3]))


def issued_at(*hours: int, names: tuple[str | None, ...] = ("i2", "i1", "i1")) -> pl.DataFrame:
    """A alone by one model, A and B by another one; the decision is at nine."""
    return pl.DataFrame(
        {
            "symbol": ["A", "A", "B"],
            "session": [DAY] * 3,
            "model_key": ["k2", "k1", "k1"],
            "issue": pl.Series(names, dtype=pl.String),
            "decision_at": [datetime(2024, 1, 3, 9, tzinfo=UTC)] * 3,
            "issued_at": [datetime(2024, 1, 3, hour, tzinfo=UTC) for hour in hours],
            "value": [2.0, 1.0, 3.0],
        }
    )


def test_the_last_issue_is_taken_whole_and_never_mixed_with_another() -> None:
    assert last_issue(issued_at(9, 8, 8))["value"].to_list() == [2.0]
    assert last_issue(issued_at(7, 8, 8))["value"].to_list() == [1.0, 3.0]


def test_rows_of_before_the_issues_are_one_issue_a_model() -> None:
    assert last_issue(issued_at(8, 7, 9, names=(None,) * 3))["value"].to_list() == [1.0, 3.0]


def test_what_was_issued_after_the_decision_is_no_realised_skill() -> None:
    issued = issued_at(10, 9, 9)
    assert last_issue(issued.filter(IN_TIME))["value"].to_list() == [1.0, 3.0]
    assert last_issue(issued.filter(~IN_TIME))["value"].to_list() == [2.0]


def test_realise_ic_compares_a_forecast_with_the_label_of_its_horizon() -> None:
    key = {"symbol": SYMBOLS[:3], "session": [DAY] * 3}
    forecasts = pl.DataFrame({**key, "horizon": [5] * 3, "value": [1.0, 2.0, 3.0]})
    labels = pl.concat(
        [
            pl.DataFrame({**key, "horizon": [5] * 3, "value": [0.1, 0.3, 0.2]}),
            pl.DataFrame({**key, "horizon": [1] * 3, "value": [0.3, 0.2, 0.1]}),
        ]
    )
    realised = realise_ic(forecasts, labels)
    assert realised.rows() == [(DAY, pytest.approx(0.5))]


def test_sample_rows_is_the_same_for_the_same_rows() -> None:
    rows = pl.DataFrame({"symbol": [f"S{index}" for index in range(50)], "session": [DAY] * 50})
    sampled = sample_rows(rows, 10)
    assert sampled.height == 10
    assert sampled.equals(sample_rows(rows.reverse(), 10))
    assert sample_rows(rows, 50).equals(rows)


def test_rank_features_orders_by_importance_then_by_the_catalog() -> None:
    assert rank_features({"c": 0.7, "b": 0.3}, ["a", "b", "c", "d"], 3) == ["c", "b", "a"]
    assert rank_features({}, ["a", "b"], 5) == ["a", "b"]


def test_choose_columns_leaves_out_what_a_window_does_not_know() -> None:
    full = pl.DataFrame({"a": [1.0] * 40, "b": [1.0] * 29 + [None] * 11})
    assert choose_columns(["a", "b"], full, full) == ["a"]
    assert choose_columns(["a"], full, full.head(29)) == []


@pytest.mark.parametrize(
    ("history", "trained", "quiet_until", "due"),
    [
        ({}, None, None, True),  # never trained
        ({9: "ok"}, 9, 29, True),  # it begins today, the weekly training was yesterday
        ({8: "drift", 9: "drift"}, 8, 28, False),  # trained when it began
        ({8: "drift", 9: "drift"}, 7, 27, True),  # asked for, and nobody trained
        ({7: "drift", 8: "ok", 9: "drift"}, 8, 28, True),  # the one of the 7th was another
        ({8: "drift", 9: "drift"}, 8, 10, True),  # it lasts, and the training is old
        ({9: "ok", 11: "drift"}, 9, 29, True),  # later sessions say nothing
    ],
)
def test_is_training_due(
    history: dict[int, str], trained: int | None, quiet_until: int | None, due: bool
) -> None:
    def day(number: int) -> date:
        return DAY + timedelta(days=number)

    assert due is is_training_due(
        {day(number): verdict for number, verdict in history.items()},
        day(10),
        None if trained is None else day(trained),
        quiet_until=None if quiet_until is None else day(quiet_until),
    )
