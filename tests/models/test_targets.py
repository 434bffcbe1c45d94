"""Targets against normal scores worked by hand."""

from __future__ import annotations

from datetime import date
from statistics import NormalDist

import polars as pl
import pytest

from models.targets import add_target, centred_rank

DAY, NEXT = date(2020, 1, 2), date(2020, 1, 3)
SCORE = NormalDist().inv_cdf


def test_that_four_labels_get_the_scores_of_an_eighth_to_seven_eighths() -> None:
    frame = pl.DataFrame({"session": [DAY] * 4, "label": [0.03, -0.02, 0.10, 0.00]})
    expected = [SCORE(5 / 8), SCORE(1 / 8), SCORE(7 / 8), SCORE(3 / 8)]
    assert add_target(frame)["target"].to_list() == pytest.approx(expected)


def test_that_ties_share_a_score_and_sessions_are_apart() -> None:
    frame = pl.DataFrame({"session": [DAY] * 3 + [NEXT] * 3, "label": [1.0, 1.0, 2.0, 5.0, 9.0, 7.0]})
    target = add_target(frame)["target"].to_list()
    assert target == pytest.approx(
        [SCORE(1 / 3), SCORE(1 / 3), SCORE(5 / 6), SCORE(1 / 6), SCORE(5 / 6), 0.0]
    )


def test_that_unknown_labels_stay_unknown_and_do_not_count() -> None:
    frame = pl.DataFrame({"session": [DAY] * 5, "label": [0.1, None, 0.2, float("nan"), 0.3]})
    target = add_target(frame)["target"].to_list()
    assert target == pytest.approx([SCORE(1 / 6), None, 0.0, None, SCORE(5 / 6)])


def test_that_two_labels_order_nothing() -> None:
    frame = pl.DataFrame({"session": [DAY] * 2, "label": [0.1, 0.2]})
    assert add_target(frame)["target"].to_list() == [None, None]


def test_that_the_rank_is_centred() -> None:
    frame = pl.DataFrame({"session": [DAY] * 4, "x": [3.0, 1.0, None, 2.0]})
    ranks = frame.select(centred_rank("x"))["x"].to_list()
    assert ranks == pytest.approx([1 / 3, -1 / 3, None, 0.0])
