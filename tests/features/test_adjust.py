"""Adjusted price levels by hand."""

import pytest

from features.adjust import adjust_prices
from tests.panels import panel_of

ACTIONS = {"split": [1, 1, 2, 1, 1], "dividend": [0, 0, 0, 0, 1]}


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("first", [100, 110, 110, 120, 2 * 59 * (1 + 1 / 59)]),
        ("last", [100 * 59 / 120, 110 * 59 / 120, 55 * 59 / 60, 60 * 59 / 60, 59]),
    ],
)
def test_split_then_dividend(anchor, expected):
    panel = panel_of({"A": [100.0, 110.0, 55.0, 60.0, 59.0]}, **ACTIONS)
    adjusted = adjust_prices(panel, anchor=anchor)
    assert adjusted.get_column("close").to_list() == pytest.approx(expected)
    assert adjusted.get_column("open").to_list() == pytest.approx(expected)


def test_forward_adjustment_ignores_what_follows():
    panel = panel_of({"A": [100.0, 110.0, 55.0, 60.0, 59.0]}, **ACTIONS)
    whole = adjust_prices(panel, anchor="first").head(3)
    assert adjust_prices(panel.head(3), anchor="first").equals(whole)


def test_missing_bar_keeps_the_split_and_drops_its_dividend():
    panel = panel_of({"A": [100.0, None, 51.0]}, split=[1, 2, 1], dividend=[0, 5, 0])
    assert adjust_prices(panel, anchor="first").get_column("close").to_list() == [100.0, None, 102.0]
