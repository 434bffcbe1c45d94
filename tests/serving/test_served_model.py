"""Loading a champion."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from serving.served_model import (
    MANIFEST_FILE,
    ServedModel,
    digest_folder,
    load_served_model,
    read_manifest,
    write_manifest,
)
from tests.serving.parts import NAMES, VIEWS, manifest_of


def test_the_manifest_reads_back(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of())
    assert read_manifest(tmp_path) == manifest_of()


def test_a_manifest_of_the_first_version_is_read(tmp_path: Path) -> None:
    """It is what a home holds between an upgrade and the next packaging."""
    known = {
        "bento": "bellwether:aaaa", "model_version": "1", "model_key": "a" * 64, "family": "xgboost",
        "horizon": 5, "history_sessions": 1, "feature_names": list(NAMES), "feature_service": "daily_model",
    }  # fmt: skip
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(known))
    expected = manifest_of(release="", feature_set="daily_model", settings={})
    assert read_manifest(tmp_path) == expected


def test_views_that_do_not_hold_the_features_are_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of(views=VIEWS[:1]))
    with pytest.raises(ValueError, match=r"views and feature_names differ in \['text_sentiment_mean_1d'\]"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"feature_names": 3}'])
def test_a_damaged_manifest_names_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_FILE).write_text(text)
    with pytest.raises(
        ValueError, match=r"manifest.json is not a champion's manifest .* run `bellwether install`"
    ):
        read_manifest(tmp_path)


def test_a_row_model_is_loaded_and_warm(champion: ServedModel) -> None:
    assert champion.manifest.is_row_model
    assert champion.forecaster.feature_names == NAMES


def test_features_that_do_not_fit_the_model_are_refused(tmp_path: Path, champion_folder: Path) -> None:
    folder = tmp_path / "champion"
    folder.mkdir()
    (folder / "forecaster").symlink_to(champion_folder / "forecaster")
    write_manifest(folder, replace(manifest_of(), feature_names=NAMES[::-1]))
    with pytest.raises(ValueError, match="manifest names 4 features, the model 4, not the same"):
        load_served_model(folder)


def test_a_sequence_model_is_not_loaded_before_it_is_needed(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest_of(family="tft", history_sessions=20))
    champion = load_served_model(tmp_path)
    with pytest.raises(ValueError, match=r"holds no forecaster\.json"):
        champion.forecaster  # noqa: B018 - reading it loads it


def test_the_digest_follows_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = digest_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = digest_folder(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, digest_folder(tmp_path)}) == 3
