"""What a model was made from, written and read back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from models.params import SplitParams
from models.tft_params import TFTParams
from models.xgboost_params import XGBoostParams
from pipelines.base.errors import BadDataError
from pipelines.registry.lineage import (
    Lineage,
    check_reproducible,
    parse_lineage,
    read_lineage,
    restore_params,
    write_lineage,
)
from pipelines.registry.model_identity import model_settings
from tests.pipelines.stages.evaluate.test_steps import PARAMS


def lineage(family: str = "xgboost") -> Lineage:
    params = replace(PARAMS, family=family)  # type: ignore[arg-type]
    return Lineage(
        model_key="k" * 64,
        family=family,
        as_of=date(2018, 2, 7),
        cutoff_at=datetime(2018, 2, 8, 13, 30, tzinfo=UTC),
        horizon_sessions=5,
        feature_names=("mom_return_5d", "text_count_1d"),
        history_sessions=1,
        rows=100,
        frame_digest="f" * 64,
        table_versions={"gold.labels": 3, "gold.features_text": None},
        feature_set="core",
        feature_digests={"mom_return_5d": "d", "text_count_1d": "e"},
        definitions={"price_basis": "split"},
        code_revision="c",
        git_commit="",
        settings_hash="s",
        model_settings=model_settings(params),
        universe_rule="all",
        splits={"folds": [], "final": {}},
        seed=7,
        fitted_until=datetime(2018, 1, 5, 21, tzinfo=UTC),
        embargo_sessions=2,
    )


def test_record_comes_back_as_it_was(tmp_path: Path) -> None:
    write_lineage(lineage(), tmp_path / "model")
    assert read_lineage(tmp_path / "model") == parse_lineage(lineage().to_json())
    back = read_lineage(tmp_path / "model")
    assert replace(back, model_settings={}) == replace(lineage(), model_settings={})


def test_tags_are_short_texts() -> None:
    tags = lineage().as_tags()
    assert all(isinstance(value, str) and len(value) < 5000 for value in tags.values())
    assert tags["cutoff_at"] == "2018-02-08T13:30:00+00:00"
    assert json.loads(tags["table_versions"]) == {"gold.labels": 3, "gold.features_text": None}
    assert tags["features"] == "2"
    assert {"model_settings", "splits", "feature_names", "feature_digests"}.isdisjoint(tags)


def test_record_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    record = json.loads(lineage().to_json())
    record["horizon"] = record.pop("horizon_sessions")
    record["feature_service"] = "daily_model"
    record["decision_at"] = record.pop("cutoff_at")
    for name in ("feature_set", "feature_digests", "definitions"):
        del record[name]
    (tmp_path / "ancestry.json").write_text(json.dumps(record | {"feature_digest": "of the whole catalog"}))
    read = read_lineage(tmp_path)
    assert (read.horizon_sessions, read.feature_set) == (5, "daily_model")
    assert (read.feature_digests, read.definitions) == ({}, {})
    assert read.cutoff_at == lineage().cutoff_at
    assert read.fitted_until == lineage().fitted_until


NEEDED = (
    "model_key", "family", "as_of", "cutoff_at", "horizon_sessions", "feature_names", "history_sessions",
    "seed", "fitted_until", "embargo_sessions", "feature_set",
)  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(Lineage)])
def test_a_record_that_lacks_a_field_is_read_or_says_what_it_lacks(name: str) -> None:
    record = json.loads(lineage().to_json())
    del record[name]
    if name in NEEDED:
        with pytest.raises(BadDataError, match=f"lacks '{name}'.*train the model again"):
            parse_lineage(json.dumps(record))
    else:
        assert not getattr(parse_lineage(json.dumps(record)), name)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"model_key": 1}', "\x00"])
def test_what_is_no_record_says_so(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"the lineage record (cannot be read|lacks)"):
        parse_lineage(text)
    (tmp_path / "lineage.json").write_text(text)
    with pytest.raises(BadDataError, match="the lineage record"):
        read_lineage(tmp_path)


def test_a_folder_without_a_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=f"{tmp_path}/lineage.json is no lineage record"):
        read_lineage(tmp_path)
    (tmp_path / "lineage.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadDataError, match="is no lineage record"):
        read_lineage(tmp_path)


def test_what_a_record_does_not_say_is_asked_for_by_name() -> None:
    check_reproducible(lineage())
    silent = replace(lineage(), model_settings={}, frame_digest="")
    with pytest.raises(BadDataError, match="says nothing of model_settings, frame_digest: it cannot be made"):
        check_reproducible(silent)


@pytest.mark.parametrize("family", ["xgboost", "tft"])
def test_settings_of_the_fit_are_restored_and_the_others_stay(family: str) -> None:
    then = parse_lineage(lineage(family).to_json())
    now = replace(
        PARAMS,
        family="tft" if family == "xgboost" else "xgboost",
        seed=99,
        split=replace(PARAMS.split, holdout_sessions=30),
        xgboost=XGBoostParams(max_rounds=77),
        tft=TFTParams(history_sessions=7, features=("a",)),
        promotion=replace(PARAMS.promotion, margin_rank_ic=0.01),
    )
    restored = restore_params(then, now)
    assert (restored.family, restored.seed, restored.split) == (family, 7, PARAMS.split)
    assert asdict(getattr(restored, family)) == asdict(getattr(PARAMS, family))
    assert restored.promotion.margin_rank_ic == 0.01
    assert isinstance(restored.split, SplitParams)
