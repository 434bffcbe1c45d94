"""What a panel must be."""

import polars as pl
import pytest

from features.panel import dense_panel, prepare_panel
from tests.panels import compute_daily, panel_of, random_panel, sessions_of, source_rows

PANEL = panel_of({"A": [1.0, 2.0], "B": [3.0, 4.0]})


@pytest.mark.parametrize(
    "broken",
    [
        PANEL.head(3),
        PANEL.reverse(),
        pl.concat([PANEL, PANEL]),
        PANEL.sort("session", "symbol"),
        PANEL[[0, 0, 2, 3]],
    ],
    ids=["ragged", "reversed", "doubled", "by session", "repeated"],
)
def test_a_panel_that_is_not_dense_is_refused(broken):
    with pytest.raises(ValueError, match="the panel is not dense"):
        prepare_panel(broken)


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match=r"lacks the columns \['valid'\]"):
        prepare_panel(PANEL.drop("valid"))


def test_an_unknown_basis_is_named():
    with pytest.raises(ValueError, match=r"price_basis holds \['adjusted'\]"):
        prepare_panel(PANEL.with_columns(price_basis=pl.lit("adjusted")))


def test_an_empty_panel_gives_no_rows_and_all_columns():
    features = compute_daily(PANEL.clear())
    assert features.height == 0
    assert features.width == compute_daily(PANEL).width


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_unknown(value):
    prepared = prepare_panel(PANEL.with_columns(high=pl.lit(value)))
    assert prepared.get_column("high").is_null().all()


def test_row_without_valid_bar_is_null_and_never_nan():
    panel = random_panel(4, 80, seed=3)
    retracted = panel.with_columns(valid=pl.col("valid") & (pl.int_range(pl.len()) % 7 != 0))
    features = compute_daily(retracted).with_columns(valid=retracted.get_column("valid"))
    numbers = pl.exclude("symbol", "session", "valid")
    hidden = features.filter(~pl.col("valid")).select(numbers)
    assert hidden.null_count().row(0) == (hidden.height,) * hidden.width
    assert features.select(numbers.is_finite().all()).row(0) == (True,) * hidden.width


@pytest.mark.parametrize("scale", [1e-3, 7.0])
def test_features_do_not_depend_on_the_price_level(scale):
    panel = random_panel(4, 270, seed=5)
    prices = pl.col("open", "high", "low", "close", "dividend")
    scaled = panel.with_columns(prices * scale, pl.col("volume") / scale)
    left, right = (compute_daily(one).drop("symbol", "session") for one in (panel, scaled))
    apart = (left - right).select(pl.all().abs().max().fill_null(0.0)).row(0, named=True)
    # equal moves tie or differ in the last bit once scaled, which moves a rank or an extreme's age
    assert {name: gap for name, gap in apart.items() if gap > 1e-6} == {}


def test_a_dense_panel_has_every_bar_at_its_place_in_any_order():
    panel = random_panel(3, 20, seed=4, gap_share=0.2)
    days = pl.DataFrame({"session": sessions_of(20)[3:17]})
    dense = dense_panel(source_rows(panel).sample(fraction=1.0, shuffle=True, seed=1), days)
    wanted = panel.filter(pl.col("session").is_in(days["session"].implode()))
    valid = wanted.select("symbol", "session", pl.when("valid").then(pl.col("close", "volume")))
    assert dense.select("symbol", "session", "close", "volume").equals(valid)
    assert dense["split"].fill_null(1.0).to_list() == wanted["split"].to_list()


def test_two_bars_of_a_session_are_refused():
    rows = source_rows(random_panel(2, 5, gap_share=0.0))
    days = pl.DataFrame({"session": sessions_of(5)})
    with pytest.raises(ValueError, match="a symbol's session more than once; give one row a bar"):
        dense_panel(pl.concat([rows, rows.head(1)]), days)


def test_no_rows_are_no_panel():
    days = pl.DataFrame({"session": sessions_of(5)})
    assert dense_panel(source_rows(random_panel(2, 5)).clear(), days).height == 0
