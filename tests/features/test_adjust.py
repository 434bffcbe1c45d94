"""Adjusted price levels by hand."""

import polars as pl
import pytest

from features import windows
from features.adjust import adjust_prices
from features.labels import compute_labels
from features.panel import mask_bars
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


def test_missing_bar_keeps_the_split_and_hands_its_dividend_on():
    panel = panel_of({"A": [100.0, None, 51.0]}, split=[1, 2, 1], dividend=[0, 5, 0])
    levels = adjust_prices(panel, anchor="first").get_column("close").to_list()
    assert levels == [100.0, None, pytest.approx(2 * (51 + 5))]
    assert mask_bars(panel).get_column("dividend").to_list() == [0, 5, 5]
    labels = compute_labels(panel, [2]).get_column("value").to_list()
    assert labels == [None, None, pytest.approx(2 * (51 + 5) / 100 - 1)]


def test_dividends_before_the_first_and_after_the_last_close_scale_nothing():
    panel = panel_of({"A": [None, 50.0, 51.0, None], "B": [10.0] * 4}, dividend=[9, 0, 1, 7, 0, 0, 0, 0])
    paid = mask_bars(panel).get_column("dividend").to_list()
    assert paid == [9, 9, 1, 7, 0, 0, 0, 0]


@pytest.mark.parametrize("basis", ["raw", "split", "total_return"])
def test_a_restatement_stands_before_an_announced_split(basis):
    panel = panel_of({"A": [100.0, 51.0]}, split=[1, 2], price_basis=[basis] * 2)
    restated = panel.with_columns(
        rebase=pl.Series([None, 2.5], dtype=pl.Float64), share_rebase=pl.Series([None, 1.0], dtype=pl.Float64)
    )
    masked = mask_bars(restated)
    assert masked.get_column("price_adjustment_factor").to_list() == [1.0, 2.5]
    assert masked.get_column("share_adjustment_factor").to_list() == [1.0, 1.0]


def test_across_a_jump_that_nobody_has_explained_there_is_no_return():
    closes = [10.0, 11.0, 5.0, 6.0, 6.6]
    panel = panel_of({"A": closes}, price_basis=["split"] * 5)
    jumped = panel.with_columns(jump=pl.Series([None, None, True, False, None], dtype=pl.Boolean))
    masked = mask_bars(jumped)
    assert masked.get_column("price_adjustment_factor").to_list() == [1.0, 1.0, None, 1.0, 1.0]
    returns = masked.select(one=windows.change(1), two=windows.change(2))
    assert returns["one"].to_list() == [
        None,
        pytest.approx(0.1),
        None,
        pytest.approx(0.2),
        pytest.approx(0.1),
    ]
    assert returns["two"].to_list() == [None, None, None, None, pytest.approx(0.32)]
    # A window of prices reads back to the jump and no further.
    highest = masked.select(windows.maximum("close", 5, adjustment="price_adjustment_factor"))
    assert highest.to_series().to_list()[-1] is None
    least = masked.select(
        windows.total("close", 5, adjustment="price_adjustment_factor", min_samples=2)
    ).to_series()
    assert least.to_list()[-1] == pytest.approx(5.0 + 6.0 + 6.6)


@pytest.mark.parametrize(
    ("anchor", "expected"), [("first", [10.0, 11.0, None, None]), ("last", [None, None, 5.0, 6.0])]
)
def test_beyond_a_jump_from_the_anchor_there_are_no_levels(anchor, expected):
    panel = panel_of({"A": [10.0, 11.0, 5.0, 6.0]})
    jumped = panel.with_columns(jump=pl.Series([None, None, True, None], dtype=pl.Boolean))
    assert adjust_prices(jumped, anchor=anchor).get_column("close").to_list() == expected
