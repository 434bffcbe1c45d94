"""The definitions follow the catalog."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from feast.types import Bool, Float64, Int64, String

from feature_repo import definitions
from feature_repo.definitions import (
    DAILY_VIEW,
    ISSUED_VIEW,
    MODEL_SERVICE,
    TEXT_VIEW,
    Definitions,
    build_definitions,
)
from features.catalog import daily_features, text_features

TTL = timedelta(days=5)


@pytest.fixture(scope="module")
def built() -> Definitions:
    return build_definitions(TTL)


def test_views_hold_every_feature_of_the_catalog(built: Definitions) -> None:
    fields = {view.name: {field.name: field.dtype for field in view.features} for view in built.views}
    fixed = {"session": String, "event_at_us": Int64, "known_at_us": Int64, "valid": Bool}
    assert fields[DAILY_VIEW] == fixed | {feature.name: Float64 for feature in daily_features()}
    assert fields[TEXT_VIEW] == fixed | {feature.name: Float64 for feature in text_features()}
    assert {"session", "known_at_us", "value", "rank", "q10", "q50", "q90", "in_sample"} <= set(
        fields[ISSUED_VIEW]
    )


def test_views_are_bounded_and_know_when_a_row_was_known(built: Definitions) -> None:
    sources = {
        view.name: (view.ttl, view.batch_source.timestamp_field, view.batch_source.created_timestamp_column)
        for view in built.views
    }
    assert sources == {
        DAILY_VIEW: (TTL, "event_timestamp", "known_at"),
        TEXT_VIEW: (TTL, "event_timestamp", "known_at"),
        ISSUED_VIEW: (TTL, "event_timestamp", "issued_at"),
    }


def test_model_service_names_both_feature_views(built: Definitions) -> None:
    services = {
        service.name: [projection.name for projection in service.feature_view_projections]
        for service in built.services
    }
    assert services == {MODEL_SERVICE: [DAILY_VIEW, TEXT_VIEW], "issued": [ISSUED_VIEW]}


def test_fields_carry_unit_lookback_and_source(built: Definitions) -> None:
    feature = daily_features()[0]
    field = next(field for field in built.views[0].features if field.name == feature.name)
    assert field.description == feature.definition
    assert field.tags["unit"] == feature.unit
    assert field.tags["lookback_sessions"] == str(feature.lookback_sessions)


def test_digest_is_the_same_for_the_same_definitions(built: Definitions) -> None:
    assert built.digest() == build_definitions(TTL).digest()


def test_digest_is_the_same_in_another_process(built: Definitions) -> None:
    program = (
        "from datetime import timedelta; from feature_repo.definitions import build_definitions; "
        f"print(build_definitions(timedelta(seconds={TTL.total_seconds()})).digest())"
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
    assert built.digest() != build_definitions(timedelta(days=6)).digest()


def test_digest_changes_with_a_feature(built: Definitions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "daily_features", lambda: daily_features()[:-1])
    assert built.digest() != build_definitions(TTL).digest()


def test_build_refuses_a_join_without_bound() -> None:
    with pytest.raises(ValueError, match="ttl=0:00:00 must be positive"):
        build_definitions(timedelta())
