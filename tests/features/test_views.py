"""The registry of feature views."""

from collections import Counter

import polars as pl
import pytest

from features.sessions import SessionCalendar
from features.text import SCORED_COLUMNS
from features.views import (
    VIEWS,
    FeatureView,
    all_features,
    feature_views,
    find_feature,
    find_view,
    max_lookback,
    names_by_view,
    primary_view,
    view_of,
)
from tests.panels import compute_daily, compute_text, source_rows

WITHDRAWN = ["symbol", "session", "record", "value", "valid"]


def test_every_feature_belongs_to_one_view():
    names = Counter(feature.name for feature in all_features())
    assert max(names.values()) == 1
    assert [view.name for view in feature_views()] == ["features_daily", "features_alpha158", "features_text"]
    assert view_of("mom_return_5d") is primary_view()
    assert view_of("text_count_1d") is find_view("features_text")


def test_lookback_is_the_longest_of_the_features():
    assert find_view("features_daily").lookback_sessions == 253
    assert find_view("features_alpha158").lookback_sessions == 61
    assert find_view("features_text").lookback_sessions == 20
    assert max_lookback() == 253


def test_names_are_grouped_by_view_with_the_primary_one_always_there():
    assert names_by_view(["text_count_1d", "mom_return_1d", "text_count_5d"]) == {
        "features_daily": ("mom_return_1d",),
        "features_text": ("text_count_1d", "text_count_5d"),
    }
    assert names_by_view([]) == {"features_daily": ()}


def test_an_unknown_name_is_told_its_neighbours():
    assert find_feature("mom_return_5d").lookback_sessions == 6
    with pytest.raises(KeyError, match="no feature is called 'mom_retrun_5d'; near matches: mom_return_5d"):
        find_feature("mom_retrun_5d")
    with pytest.raises(KeyError, match="no feature view is called 'features_hourly'; there are"):
        find_view("features_hourly")


def test_a_view_computes_its_features_from_the_rows_of_its_source(panel):
    rows = source_rows(panel).sample(fraction=1.0, shuffle=True, seed=3)
    days = panel.select("session").unique().sort("session")
    computed = primary_view().evaluate(rows, days, SessionCalendar())
    assert computed.columns == ["symbol", "session", *primary_view().feature_names]
    assert computed.equals(compute_daily(panel))


def test_an_action_without_a_bar_has_no_row_and_one_taken_back_counts_for_nothing(panel):
    days = panel.select("session").unique().sort("session")
    rows = source_rows(panel.filter(pl.col("symbol") == "S01"))
    split = pl.DataFrame([("S01", days.item(9, 0), "split", 2.0, False)], schema=WITHDRAWN, orient="row")
    alone = split.with_columns(symbol=pl.lit("S99"), valid=pl.lit(value=True))
    more = pl.concat([rows, split, alone], how="diagonal")
    once, again = (primary_view().evaluate(one, days, SessionCalendar()) for one in (rows, more))
    assert once.equals(again)


def test_the_text_view_has_a_row_for_each_symbol_heard_of_and_session(panel):
    days = panel.select("session").unique().sort("session").head(25)
    day = days.item(3, 0)
    scored = pl.DataFrame([("x", "S03", day, 0.1, 0.2, 0.7)], schema=list(SCORED_COLUMNS), orient="row")
    computed = find_view("features_text").evaluate(scored, days, SessionCalendar())
    grid = days.select(pl.lit("S03").alias("symbol"), "session")
    assert computed.equals(compute_text(grid, scored))
    assert computed.get_column("text_count_1d").drop_nulls().to_list() == [1.0]


def test_a_registered_view_is_found_everywhere(monkeypatch):
    daily = primary_view()
    fields = {name: getattr(daily, name) for name in ("source", "columns", "version_key", "compute")}
    other = FeatureView(name="features_other", description="x", features=(daily.features[0],), **fields)
    monkeypatch.setitem(VIEWS, other.name, other)
    assert feature_views()[-1] is other
    assert find_view("features_other").entity == "symbol"
    assert primary_view() is daily


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": ()}, "view 'features_x' has no features"),
        ({"name": "weekly"}, r"view 'weekly' must be called features_…: stages name the tables of all views"),
        (
            {"features": (find_feature("osc_stochastic_d_14d"),)},
            r"lacks \['osc_stochastic_k_14d'\], which its features read",
        ),
        ({"row_rule": "of_source", "columns": ("close",)}, "needs the column 'valid'"),
        ({"version_key": ("symbol", "session")}, r"version_key=\('symbol', 'session'\) must hold it too"),
    ],
)
def test_a_bad_view_is_refused(change, message):
    daily = primary_view()
    fields = {"source": "bars", "columns": daily.columns, "version_key": daily.version_key}
    entry = {"name": "features_x", "description": "x", "features": daily.features, "compute": daily.compute}
    with pytest.raises(ValueError, match=message):
        FeatureView(**entry | fields | change)
