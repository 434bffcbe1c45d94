"""Models that score texts behind one protocol: a finance lexicon, and any transformers classifier."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from features.code_digest import code_digest
from pipelines.io.text_lexicon import load_lexicon
from pipelines.io.text_params import TextParams
from pipelines.io.text_probabilities import DECIMALS, Probabilities, compute_probabilities
from pipelines.io.text_transformers import TransformersScorer, transformers_version

HIT_STRENGTH = 1.6
NEUTRAL_LEAD = 1.0


class TextScorer(Protocol):
    """Scores texts, each on its own: a text's scores never depend on its neighbours.

    Attributes
    ----------
    name : str
    version : str
        Changes whenever any text's score could; part of the key of `silver.text_scores`.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...

    def score(self, texts: Sequence[str]) -> Probabilities:
        """Return class probabilities, shape (n_texts, 3): negative, neutral, positive; rows sum to one."""
        ...


class LexiconScorer:
    """Counts of positive and negative words and phrases, negation turned round.

    The three probabilities are a softmax of (1.6 x negative points, 1, 1.6 x positive points): without
    a hit a text is most likely neutral, with one point its class is more likely than not.
    """

    name = "lexicon"

    @property
    def version(self) -> str:
        """Digest of the vocabulary, and of the rule with its constants."""
        code = code_digest([(__name__, LexiconScorer.__name__)], packages=[__package__])
        rule = f"{load_lexicon().digest} {DECIMALS} {code}"
        return f"lexicon-{hashlib.sha256(rule.encode()).hexdigest()[:12]}"

    def score(self, texts: Sequence[str]) -> Probabilities:
        """Return class probabilities; see `TextScorer.score`."""
        vocabulary = load_lexicon()
        points = np.array([vocabulary.count_points(text) for text in texts], dtype=float).reshape(-1, 2)
        logits = [
            HIT_STRENGTH * points[:, 0],
            np.full(len(points), NEUTRAL_LEAD),
            HIT_STRENGTH * points[:, 1],
        ]
        return compute_probabilities(np.column_stack(logits))


def scorer_version(params: TextParams) -> str:
    """Return the version of the scorer that `params` names, without loading a model."""
    return LexiconScorer().version if params.scorer == "lexicon" else transformers_version(params)


_LOADED: dict[str, TextScorer] = {}


def load_scorer(params: TextParams) -> TextScorer:
    """Return the scorer that `params` names; a process loads each version once."""
    version = scorer_version(params)
    if version not in _LOADED:
        _LOADED[version] = LexiconScorer() if params.scorer == "lexicon" else TransformersScorer(params)
    return _LOADED[version]
