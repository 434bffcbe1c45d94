"""The catalog and its page."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from features import catalog
from features.catalog import FEATURES, Feature, catalog_digest, daily_features, find_feature, max_lookback
from features.compute import evaluate
from features.page import render_page
from features.source_digest import _without_docstrings
from tests.panels import compute_daily, panel_of

ENTRY = {
    "name": "mom_x_1d",
    "family": "mom",
    "unit": "fraction",
    "definition": "x",
    "lookback_sessions": 1,
    "source": "s",
}


def test_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "features.md"
    assert page.read_text("utf-8") == render_page(), "run: python -m features.page > docs/features.md"


def test_names_are_unique_and_columns_follow_the_catalog():
    names = [feature.name for feature in daily_features()]
    assert max(Counter(feature.name for feature in FEATURES).values()) == 1
    assert len(names) >= 55
    features = compute_daily(panel_of({"A": [1.0, 2.0]}))
    assert features.columns == ["symbol", "session", *names]
    assert set(features.drop("symbol", "session").dtypes) == {pl.Float64}


def test_lookback_covers_every_feature():
    assert max_lookback() == 253
    assert max_lookback() <= catalog.MAX_LOOKBACK_SESSIONS


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


def test_find_feature():
    assert find_feature("mom_return_5d").lookback_sessions == 6
    with pytest.raises(KeyError, match="no feature is called 'mom_retrun_5d'"):
        find_feature("mom_retrun_5d")


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


def test_digest_is_stable_and_ignores_words():
    assert catalog_digest() == catalog_digest()
    assert len(catalog_digest()) == 16
    formula = 'def f(x):\n    """{}"""\n    return x * {}  # {}\n'
    one, two = formula.format("a", 2, "b"), formula.format("c", 2, "d")
    assert _without_docstrings(one) == _without_docstrings(two)
    assert _without_docstrings(one) != _without_docstrings(formula.format("a", 3, "b"))
