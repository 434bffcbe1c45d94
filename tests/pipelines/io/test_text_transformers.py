"""The real loading code on a tiny BERT that is built on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.base.errors import SettingsError, UnavailableError
from pipelines.io.text_models import scorer_version
from pipelines.io.text_params import TextParams
from pipelines.io.text_transformers import TransformersScorer, class_order
from tests.pipelines.io.tiny_bert import save_tiny_bert

TEXTS = ["profit up", "the loss of the shares", "down", "a " * 30, "unheard of words"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("bert"))


def params_for(model: object, **changes: object) -> TextParams:
    given = {
        "scorer": "transformers",
        "model": str(model),
        "device": "cpu",
        "batch_size": 4,
        "max_tokens": 32,
    }
    return TextParams(**given | changes)


def test_probabilities_are_the_model_s_own_in_our_order(model: Path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    scores = TransformersScorer(params_for(model)).score(TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(model)
    reference = AutoModelForSequenceClassification.from_pretrained(model).eval()
    for text, row in zip(TEXTS, scores, strict=True):
        tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=32)
        with torch.inference_mode():
            positive, negative, neutral = torch.softmax(reference(**tokens).logits[0].double(), 0).tolist()
        np.testing.assert_allclose(row, [negative, neutral, positive], atol=3e-6)
    assert np.ptp(scores, axis=0).max() > 0.01


def test_a_text_scores_the_same_in_any_company(model: Path):
    scorer = TransformersScorer(params_for(model))
    together = scorer.score([*TEXTS, *reversed(TEXTS)])
    alone = np.vstack([scorer.score([text]) for text in TEXTS])
    np.testing.assert_array_equal(together[: len(TEXTS)], alone)
    np.testing.assert_array_equal(together[len(TEXTS) :], alone[::-1])
    assert scorer.score([]).shape == (0, 3)


def test_the_version_follows_weights_and_settings(model: Path, tmp_path: Path):
    other = save_tiny_bert(tmp_path / "other", seed=1)
    versions = {
        scorer_version(params_for(model)),
        scorer_version(params_for(other)),
        scorer_version(params_for(model, max_tokens=16)),
        scorer_version(params_for("org/model", revision="a" * 40)),
    }
    assert len(versions) == 4
    assert scorer_version(params_for(model)) == scorer_version(params_for(model, batch_size=8))


def test_a_hub_model_needs_its_commit():
    with pytest.raises(SettingsError, match=r"revision='main': model org/model .* \(40 hexadecimal"):
        scorer_version(params_for("org/model", revision="main"))


def test_a_model_that_cannot_be_reached_says_what_to_do():
    with pytest.raises(UnavailableError, match=r"model=org/model cannot be loaded .* name a local folder"):
        TransformersScorer(params_for("org/model", revision="a" * 40))


def test_pickled_weights_are_refused(tmp_path: Path):
    folder = save_tiny_bert(tmp_path / "pickled", safe=False)
    with pytest.raises(SettingsError, match="no safetensors weights"):
        TransformersScorer(params_for(folder))


def test_labels_by_name_and_by_settings():
    assert class_order({0: "Bearish", 1: "Bullish", 2: "Neutral"}, {}, "m") == [0, 2, 1]
    labels = {"LABEL_0": "negative", "LABEL_1": "neutral", "LABEL_2": "positive"}
    assert class_order({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, labels, "m") == [0, 1, 2]


def test_labels_that_say_nothing_are_refused():
    with pytest.raises(SettingsError, match=r"has the labels \['LABEL_0', 'LABEL_1'\].*say in text\.labels"):
        class_order({0: "LABEL_0", 1: "LABEL_1"}, {}, "m")
