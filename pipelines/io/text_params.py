"""Parameters of text scoring. `conf/base/text.yaml` explains each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SentimentClass = Literal["negative", "neutral", "positive"]
CLASSES: tuple[SentimentClass, ...] = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextParams:
    """Which model scores texts, and how many at a time."""

    scorer: Literal["lexicon", "transformers"] = "lexicon"
    model: str = ""
    revision: str = ""
    labels: Mapping[str, SentimentClass] = field(default_factory=dict)
    batch_size: int = 16
    max_tokens: int = 128
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= 1024:
            msg = f"batch_size={self.batch_size} must lie in 1..1024"
            raise ValueError(msg)
        if not 8 <= self.max_tokens <= 4096:
            msg = f"max_tokens={self.max_tokens} must lie in 8..4096"
            raise ValueError(msg)
        if self.scorer == "transformers" and not self.model:
            msg = "scorer='transformers' needs model: a local folder or a hub id such as ProsusAI/finbert"
            raise ValueError(msg)
