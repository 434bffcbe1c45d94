"""Sentiment features by hand."""

import polars as pl
import pytest

from tests.panels import compute_text, panel_of, sessions_of

DAYS = sessions_of(4)
GRID = panel_of({"A": [1.0] * 4, "B": [1.0] * 4}).select("symbol", "session")
SCHEMA = {"text_id": pl.String, "symbol": pl.String, "session": pl.Date} | dict.fromkeys(
    ("negative", "neutral", "positive"), pl.Float64
)


def _scored(*items):
    rows = [
        (f"t{at}", symbol, day, minus, 1 - minus - plus, plus)
        for at, (symbol, day, minus, plus) in enumerate(items)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.fixture
def features():
    """Two items on the first day, none on the second, one on the third; B is silent."""
    scored = _scored(("A", DAYS[0], 0.1, 0.7), ("A", DAYS[0], 0.5, 0.3), ("A", DAYS[2], 0.0, 0.8))
    return compute_text(GRID, scored)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text_count_1d", [2, None, 1, None]),
        ("text_count_5d", [2, 2, 3, 3]),
        ("text_sentiment_mean_1d", [0.2, None, 0.8, None]),
        ("text_sentiment_mean_5d", [0.2, 0.2, 0.4, 0.4]),
        ("text_sentiment_std_1d", [0.32**0.5, None, None, None]),
        ("text_sentiment_change_1d_20d", [0.0, None, 0.4, None]),
        ("text_negative_mean_1d", [0.3, None, 0.0, None]),
        ("text_attention_1d_20d", [20.0, None, 20 / 3, None]),
    ],
)
def test_by_hand(features, name, expected):
    own = features.filter(symbol="A").get_column(name).to_list()
    assert own == [None if value is None else pytest.approx(value, abs=1e-12) for value in expected]
    assert features.filter(symbol="B").get_column(name).null_count() == len(DAYS)


def test_order_of_items_and_strangers_change_no_bit(features):
    scored = _scored(
        ("A", DAYS[0], 0.1, 0.7), ("A", DAYS[0], 0.5, 0.3), ("A", DAYS[2], 0.0, 0.8), ("Z", DAYS[0], 0, 1)
    )
    assert compute_text(GRID, scored.reverse()).equals(features)


def test_no_items_at_all_gives_nulls():
    features = compute_text(GRID, _scored())
    assert features.height == GRID.height
    assert features.drop("symbol", "session").null_count().row(0) == (GRID.height,) * (features.width - 2)


def test_missing_column_is_named():
    with pytest.raises(ValueError, match=r"scored texts lacks the columns \['neutral'\]"):
        compute_text(GRID, _scored().drop("neutral"))
