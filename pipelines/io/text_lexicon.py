"""The finance vocabulary of `text_lexicon.yaml`, and how many points a text gets by it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import yaml

VOCABULARY = files("pipelines.io").joinpath("text_lexicon.yaml")
NEGATION_REACH = 3
PHRASE_POINTS = 2.0
_WORD = re.compile(r"[a-z0-9][a-z0-9'\-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """Signed points of words and phrases, and the words that turn them round.

    Attributes
    ----------
    points : mapping of tuple of words to points
        Positive or negative, of entries one to three words long.
    negations : frozenset of str
    digest : str
        Of the vocabulary's bytes and the rule's constants.
    """

    points: Mapping[tuple[str, ...], float]
    negations: frozenset[str]
    digest: str

    def count_points(self, text: str) -> tuple[float, float]:
        """Return (negative points, positive points) of one text; both are 0 where nothing matches."""
        words = _WORD.findall(text.lower().replace("’", "'"))
        negative = positive = 0.0
        position, negated_until = 0, -1
        while position < len(words):
            points, length = self._match(words, position)
            if position <= negated_until:
                points = -points
            negative, positive = negative + max(-points, 0.0), positive + max(points, 0.0)
            if words[position] in self.negations:
                negated_until = position + NEGATION_REACH
            position += length
        return negative, positive

    def _match(self, words: Sequence[str], position: int) -> tuple[float, int]:
        """Return (points, words used) of the longest entry that starts at `position`."""
        for length in (3, 2, 1):
            entry = tuple(words[position : position + length])
            if entry in self.points:
                return self.points[entry], len(entry)
        return 0.0, 1


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """Return the vocabulary, read once a process."""
    content = VOCABULARY.read_bytes()
    entries: dict[str, str] = yaml.safe_load(content)
    points: dict[tuple[str, ...], float] = {}
    for sign, mood in ((1.0, "positive"), (-1.0, "negative")):
        points |= {(word,): sign for word in entries[f"{mood}_words"].split()}
        phrases = entries[f"{mood}_phrases"].split(",")
        points |= {tuple(phrase.split()): sign * PHRASE_POINTS for phrase in phrases}
    rule = f"{NEGATION_REACH} {PHRASE_POINTS} {_WORD.pattern}".encode()
    digest = hashlib.sha256(content + rule).hexdigest()
    return Lexicon(points=points, negations=frozenset(entries["negations"].split()), digest=digest)
