"""The lexicon as a scorer, and the choice between scorers."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.io.text_lexicon import load_lexicon
from pipelines.io.text_models import LexiconScorer, load_scorer, scorer_version
from pipelines.io.text_params import TextParams


def count(text: str) -> tuple[float, float]:
    return load_lexicon().count_points(text)


@pytest.mark.parametrize(
    ("text", "negative", "positive"),
    [
        ("Profits surge", 0, 2),
        ("Shares slump on weak demand", 3, 0),  # slump 1, "weak demand" is a phrase: 2
        ("not good", 1, 0),
        ("no losses this year", 0, 1),
        ("not one of the many analysts liked the strong print", 0, 1),  # the negation does not reach so far
        ("Company cuts costs", 0, 2),
        ("Company cuts jobs", 2, 0),
        ("Results were better than expected", 0, 2),
        ("Net loss widens", 2, 0),  # the first match wins: "net loss", not "loss widens"
        ("The meeting is on Tuesday", 0, 0),
        ("", 0, 0),
        ("DON’T PANIC", 0, 1),
    ],
)
def test_points(text: str, negative: float, positive: float):
    assert count(text) == (negative, positive)


def test_probabilities_by_hand():
    # One positive point: exp(0), exp(1), exp(1.6) over their sum 8.671314.
    scores = LexiconScorer().score(["a gain", "nothing", "a loss"])
    assert scores.shape == (3, 3)
    np.testing.assert_allclose(scores[0], [0.115323, 0.313479, 0.571198], atol=2e-6)
    np.testing.assert_allclose(scores[1], [0.211942, 0.576117, 0.211942], atol=2e-6)
    np.testing.assert_allclose(scores[2], scores[0][::-1][[0, 1, 2]], atol=2e-6)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-12)


def test_no_texts_give_no_rows():
    assert LexiconScorer().score([]).shape == (0, 3)


def test_the_version_names_the_scorer_and_stays():
    version = scorer_version(TextParams())
    assert version.startswith("lexicon-")
    assert version == LexiconScorer().version


def test_a_scorer_is_loaded_once_a_process():
    assert load_scorer(TextParams()) is load_scorer(TextParams())


def test_a_transformers_scorer_needs_a_model():
    with pytest.raises(ValueError, match="scorer='transformers' needs model"):
        TextParams(scorer="transformers")


@pytest.mark.parametrize(
    ("name", "value", "allowed"), [("batch_size", 0, r"1\.\.1024"), ("max_tokens", 4, r"8\.\.4096")]
)
def test_ranges(name: str, value: int, allowed: str):
    with pytest.raises(ValueError, match=f"{name}={value} must lie in {allowed}"):
        TextParams(**{name: value})
