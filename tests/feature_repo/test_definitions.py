"""The definitions follow the views and the sets."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from feast.types import Bool, Float32, Float64, Int64, String

from feature_repo.definitions import ISSUED_VIEW, Definitions, build_definitions, view_ttl
from features.sessions import SessionCalendar
from features.sets import FeatureSet
from features.views import VIEWS, feature_views, primary_view

TTL = timedelta(days=5)
FEW = FeatureSet(name="few", features=("text_count_1d", "mom_return_5d", "mom_return_1d"))
FIXED = {"session": String, "event_at_us": Int64, "known_at_us": Int64, "valid": Bool}


@pytest.fixture(scope="module")
def built() -> Definitions:
    return build_definitions(TTL, [FEW])


def test_views_hold_every_feature_of_theirs(built: Definitions) -> None:
    fields = {view.name: {field.name: field.dtype for field in view.features} for view in built.views}
    for view in feature_views():
        number = Float32 if view.name == "features_alpha158" else Float64
        assert fields[view.name] == FIXED | dict.fromkeys(view.feature_names, number)
    assert {"session", "known_at_us", "value", "rank", "q10", "q50", "q90", "in_sample"} <= set(
        fields[ISSUED_VIEW]
    )


def test_views_are_bounded_and_know_when_a_row_was_known(built: Definitions) -> None:
    sources = {
        view.name: (view.ttl, view.batch_source.timestamp_field, view.batch_source.created_timestamp_column)
        for view in built.views
    }
    assert sources == {
        "features_daily": (TTL, "event_timestamp", "known_at"),
        "features_alpha158": (TTL, "event_timestamp", "known_at"),
        "features_text": (TTL, "event_timestamp", "known_at"),
        ISSUED_VIEW: (TTL, "event_timestamp", "issued_at"),
    }


def test_a_set_is_a_service_with_its_columns_and_no_others(built: Definitions) -> None:
    services = {
        service.name: {
            projection.name: [field.name for field in projection.features]
            for projection in service.feature_view_projections
        }
        for service in built.services
    }
    assert services["few"] == {
        "features_daily": [*FIXED, "mom_return_5d", "mom_return_1d"],
        "features_text": [*FIXED, "text_count_1d"],
    }
    assert list(services["issued"]) == [ISSUED_VIEW]


def test_the_service_of_issued_forecasts_keeps_its_name() -> None:
    taken = FeatureSet(name="issued", features=("mom_return_1d",))
    with pytest.raises(ValueError, match="a feature set may not be called 'issued'"):
        build_definitions(TTL, [taken])


def test_fields_carry_unit_lookback_and_source(built: Definitions) -> None:
    feature = primary_view().features[0]
    field = next(field for field in built.views[0].features if field.name == feature.name)
    assert field.description == feature.definition
    assert field.tags["unit"] == feature.unit
    assert field.tags["lookback_sessions"] == str(feature.lookback_sessions)


def test_digest_is_the_same_for_the_same_definitions(built: Definitions) -> None:
    assert built.digest() == build_definitions(TTL, [FEW]).digest()


def test_digest_is_the_same_in_another_process(built: Definitions) -> None:
    program = (
        "from datetime import timedelta; from feature_repo.definitions import build_definitions; "
        f"from features.sets import FeatureSet; few = {FEW!r}; "
        f"print(build_definitions(timedelta(seconds={TTL.total_seconds()}), [few]).digest())"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=dict(os.environ, PYTHONHASHSEED="1"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split()[-1] == built.digest()


def test_digest_changes_with_the_ttl(built: Definitions) -> None:
    assert built.digest() != build_definitions(timedelta(days=6), [FEW]).digest()


def test_digest_changes_with_a_view_and_a_set(built: Definitions, monkeypatch: pytest.MonkeyPatch) -> None:
    assert built.digest() != build_definitions(TTL, [replace(FEW, features=FEW.features[:2])]).digest()
    other = replace(primary_view(), name="features_other", features=primary_view().features[:1])
    monkeypatch.setitem(VIEWS, other.name, other)
    registered = build_definitions(TTL, [FEW])
    assert [view.name for view in registered.views][-2:] == ["features_other", ISSUED_VIEW]
    assert registered.digest() != built.digest()


@pytest.mark.parametrize(("name", "days"), [("XNYS", 8), ("XSHG", 21), ("ASEX", 39), ("24/7", 2)])
def test_the_ttl_reaches_over_the_longest_closure_of_the_exchange(name: str, days: int) -> None:
    calendar = SessionCalendar(name)
    ttl = view_ttl(calendar)
    assert ttl == timedelta(days=days)
    instants = calendar.frame(calendar.first, calendar.last)
    reach = instants["cutoff_at"].shift(-1) - instants["event_timestamp"]
    assert ttl - timedelta(days=1) < reach.max() <= ttl  # type: ignore[operator]


def test_build_refuses_a_join_without_bound() -> None:
    with pytest.raises(ValueError, match="ttl=0:00:00 must be positive"):
        build_definitions(timedelta(), [])
