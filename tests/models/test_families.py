"""The registry of families: a new entry is all that a new family needs."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from models.base import build_forecaster, load_forecaster
from models.families import FAMILIES, baseline_families, find_family, trainable_families
from models.params import models_params_type
from models.splits import plan_splits
from models.training import fit_final, walk_forward
from pipelines.app.settings import known_keys, load_settings
from pipelines.app.settings_page import print_settings
from pipelines.base.errors import SettingsError
from pipelines.io.bento import requirements
from pipelines.io.model_folder import read_forecaster, write_model_folder
from pipelines.registry.model_identity import model_settings
from tests.contracts import test_forecasters as suite
from tests.models.market import feature_names, make_market
from tests.models.settings import MODELS
from tests.models.toy_family import TOY, ToyForecaster, ToyParams

PROMISES = [
    promise
    for name, promise in vars(suite).items()
    if name.startswith("test_") and "family" in inspect.signature(promise).parameters
]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setitem(FAMILIES, TOY.name, TOY)
    kept = {field.name: getattr(MODELS, field.name) for field in fields(MODELS)}
    monkeypatch.setattr(suite, "MODELS", models_params_type()(**kept))
    yield TOY.name
    suite.fitted.cache_clear()


def test_every_family_is_found_by_its_name_and_keeps_it() -> None:
    for name, entry in FAMILIES.items():
        assert entry.name == name
        assert entry.load_class().family == name


def test_what_is_trained_and_what_stands_beside_it() -> None:
    assert trainable_families() == ("xgboost", "tft")
    assert baseline_families() == ("zero", "reversal", "momentum", "ridge")


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="family='prophet' is unknown; choose one of xgboost, tft, zero"):
        find_family("prophet")


def test_the_registry_loads_no_library() -> None:
    heavy = "{'torch', 'xgboost', 'polars', 'numpy', 'lightning'} & set(sys.modules)"
    code = f"import sys, models.families, models.params; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_registered_family_keeps_what_every_family_promises(
    promise: Callable[..., None], toy: str, tmp_path: Path
) -> None:
    offered = {"family": toy, "tmp_path": tmp_path}
    promise(**{name: offered[name] for name in inspect.signature(promise).parameters})


def test_a_registered_family_is_trained_saved_and_packed(toy: str, tmp_path: Path) -> None:
    frame = make_market(symbols=12, sessions=300, seed=5, alpha=4.0)
    params, names = replace(suite.MODELS, family=toy), feature_names(frame)

    def build(_name: str) -> Any:
        return build_forecaster(params.family, params, names)

    assert len(walk_forward(frame, params.split, build).folds) == params.split.n_folds
    final = fit_final(frame, params.split, build).forecaster
    assert isinstance(final, ToyForecaster)
    unseen = plan_splits(frame, params.split).final.test.rows(frame)
    final.save(tmp_path / "plain")
    assert load_forecaster(tmp_path / "plain").predict(unseen).equals(final.predict(unseen))
    write_model_folder(final, unseen.head(3), tmp_path / "model")
    assert read_forecaster(tmp_path / "model").predict(unseen).equals(final.predict(unseen))
    pinned = f"scipy=={version('scipy')}"
    assert pinned in (tmp_path / "model" / "requirements.txt").read_text().splitlines()
    assert pinned in requirements(toy)
    assert model_settings(params)["toy"] == {"clip": 3.0, "votes": ()}


def test_a_registered_family_brings_its_settings_along(toy: str) -> None:
    settings, origins = load_settings(
        overrides=["models.family=toy", "models.toy.clip=2.5", "models.toy.votes=[a, b]"]
    )
    assert settings.models.family == toy
    assert settings.models.of(toy) == ToyParams(clip=2.5, votes=("a", "b"))
    assert settings.models.of("xgboost").max_rounds == 300
    printed = print_settings(settings, origins).splitlines()
    assert [line.split()[-1] for line in printed if line.startswith("models.toy.clip=2.5 ")] == ["--set"]
    assert {"models.toy.clip", "models.xgboost.max_rounds"} <= set(known_keys())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("models.toy.clop=1.0", r"--set: models.toy.clop is not a known key; near matches: models.toy.clip"),
        ("models.toy.clip=wide", r"--set: models.toy.clip='wide': Input should be a valid number"),
        ("models.toy.clip=0.05", r"--set: models.toy.clip: clip=0.05 must be at least 0.1"),
        ("models.split.horizon_sessions=1000", r"toy.clip=3.0 must be at least 10"),
        (
            "models.family=prophet",
            r"--set: models.family: family='prophet' is none that .* tft, toy",
        ),
        ("models.lstm={units: 3}", r"models.lstm is not a known key"),
    ],
)
def test_a_wrong_setting_of_a_registered_family_is_explained(toy: str, override: str, message: str) -> None:
    quiet = "models.xgboost.payoff_lag_sessions=5000"
    with pytest.raises(SettingsError, match=message):
        load_settings(overrides=[quiet, override])


def test_a_family_that_is_not_registered_has_no_settings() -> None:
    with pytest.raises(SettingsError, match=r"models.toy is not a known key"):
        load_settings(overrides=["models.toy.clip=2.5"])
    assert json.dumps(sorted(key for key in known_keys() if key.startswith("models.toy"))) == "[]"
