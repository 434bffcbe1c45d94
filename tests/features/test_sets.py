"""Named choices of features."""

import pytest

from features.params import FeaturesParams
from features.sets import FeatureSet
from features.views import all_features, find_view
from pipelines.app.settings import load_settings


def test_core_keeps_the_catalogs_order_and_need_not_hold_all_of_it():
    core = FeatureSet(name="core", features=load_settings()[0].features.sets["core"])
    assert len(core.features) >= 104
    assert core.features == tuple(one.name for one in all_features() if one.name in core.features)
    assert list(core.by_view()) == ["features_daily", "features_text"]


def test_alpha158_holds_the_factors_of_its_view_and_nothing_else():
    factors = FeatureSet(name="alpha158", features=load_settings()[0].features.sets["alpha158"])
    assert len(factors.features) == 158
    assert factors.by_view() == {
        "features_daily": (),
        "features_alpha158": find_view("features_alpha158").feature_names,
    }


def test_a_set_keeps_the_order_of_its_names():
    params = FeaturesParams(sets={"few": ("text_count_1d", "mom_return_5d"), "one": ("mom_return_1d",)})
    assert [one.name for one in params.feature_sets()] == ["few", "one"]
    assert params.feature_sets()[0].by_view() == {
        "features_daily": ("mom_return_5d",),
        "features_text": ("text_count_1d",),
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), r"sets\.mine=\[\] must name at least one feature"),
        (("mom_return_5d", "mom_return_5d"), r"sets\.mine=\['mom_return_5d'\]: named more than once"),
        (("mom_retrun_5d",), "no feature is called 'mom_retrun_5d'; near matches: mom_return_5d"),
    ],
)
def test_a_bad_set_is_refused(names, message):
    with pytest.raises(ValueError, match=message):
        FeatureSet(name="mine", features=names)


def test_parameters_name_at_least_one_set():
    with pytest.raises(ValueError, match=r"sets=\{\} must name at least one feature set"):
        FeaturesParams(sets={})
