"""What a model was made from, written and read back."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from models.params import SplitParams
from models.tft_params import TFTParams
from models.xgboost_params import XGBoostParams
from pipelines.registry.lineage import Ancestry, parse_ancestry, read_ancestry, restore_params, write_ancestry
from pipelines.stages.train.steps import model_settings
from tests.pipelines.stages.evaluate.test_steps import PARAMS


def ancestry(family: str = "xgboost") -> Ancestry:
    params = replace(PARAMS, family=family)  # type: ignore[arg-type]
    return Ancestry(
        model_key="k" * 64,
        family=family,
        as_of=date(2018, 2, 7),
        decision_at=datetime(2018, 2, 8, 13, 30, tzinfo=UTC),
        horizon=5,
        feature_names=("mom_return_5d", "text_count_1d"),
        history_sessions=1,
        rows=100,
        frame_digest="f" * 64,
        table_versions={"gold.labels": 3, "gold.features_text": None},
        feature_service="daily_model",
        feature_digest="d",
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
    write_ancestry(ancestry(), tmp_path / "model")
    assert read_ancestry(tmp_path / "model") == parse_ancestry(ancestry().to_json())
    back = read_ancestry(tmp_path / "model")
    assert replace(back, model_settings={}) == replace(ancestry(), model_settings={})


def test_tags_are_short_texts() -> None:
    tags = ancestry().as_tags()
    assert all(isinstance(value, str) and len(value) < 5000 for value in tags.values())
    assert tags["decision_at"] == "2018-02-08T13:30:00+00:00"
    assert json.loads(tags["table_versions"]) == {"gold.labels": 3, "gold.features_text": None}
    assert tags["features"] == "2"
    assert {"model_settings", "splits", "feature_names"}.isdisjoint(tags)


def test_record_of_another_release_is_refused() -> None:
    record = json.loads(ancestry().to_json())
    del record["seed"]
    with pytest.raises(ValueError, match=r"lacks \['seed'\].*unknown are \['salt'\].*train the model again"):
        parse_ancestry(json.dumps(record | {"salt": 1}))


@pytest.mark.parametrize("family", ["xgboost", "tft"])
def test_settings_of_the_fit_are_restored_and_the_others_stay(family: str) -> None:
    then = parse_ancestry(ancestry(family).to_json())
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
