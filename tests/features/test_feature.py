"""Entries of features."""

import polars as pl
import pytest

from features.compute import evaluate
from features.feature import Feature
from features.views import find_feature, primary_view
from tests.panels import compute_daily, panel_of

ENTRY = {
    "name": "mom_x_1d",
    "family": "mom",
    "unit": "fraction",
    "definition": "x",
    "lookback_sessions": 1,
    "source": "s",
}


def test_columns_follow_the_order_of_the_entries():
    names = primary_view().feature_names
    assert len(names) >= 55
    features = compute_daily(panel_of({"A": [1.0, 2.0]}))
    assert features.columns == ["symbol", "session", *names]
    assert set(features.drop("symbol", "session").dtypes) == {pl.Float64}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "rev"}, "must start with its family: rev_"),
        ({"lookback_sessions": 0}, r"lookback_sessions=0 must be in 1\.\.273"),
        ({"lookback_sessions": 274}, r"lookback_sessions=274 must be in 1\.\.273"),
        ({"alignment": "open"}, "'open' is not one of"),
        ({"level": "sector"}, "'sector' is not one of"),
        ({"source": ""}, "must say something"),
    ],
)
def test_a_bad_entry_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Feature(**{**ENTRY, "expression": pl.lit(1.0), **change})


def test_inputs_must_be_computed_too():
    with pytest.raises(ValueError, match="inputs are missing"):
        compute_daily(panel_of({"A": [1.0]}), features=[find_feature("osc_stochastic_d_14d")])


def test_some_features_can_be_computed_alone(panel, computed):
    names = ["osc_stochastic_k_14d", "osc_stochastic_d_14d"]
    alone = compute_daily(panel, features=[find_feature(name) for name in names])
    assert alone.equals(computed.select("symbol", "session", *names))


def test_infinite_values_become_null():
    odd = Feature(**ENTRY, expression=pl.col("x") / 0.0)
    frame = pl.DataFrame({"symbol": ["A"], "session": [None], "x": [1.0]})
    assert evaluate(frame, [odd], known=pl.lit(value=True)).get_column("mom_x_1d").to_list() == [None]
