"""Any sequence classifier of the transformers library as a scorer of texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from features.code_digest import code_digest
from pipelines.base.errors import SettingsError, UnavailableError
from pipelines.io.text_params import CLASSES, SentimentClass, TextParams
from pipelines.io.text_probabilities import DECIMALS, Probabilities, compute_probabilities

LENGTH_STEP = 16

_HINTS: tuple[tuple[str, SentimentClass], ...] = (
    ("neg", "negative"), ("bear", "negative"), ("neu", "neutral"), ("pos", "positive"), ("bull", "positive"),
)  # fmt: skip
_IDENTITY = ("*.safetensors", "*.json", "vocab.txt", "*.model")


class TransformersScorer:
    """A sequence classifier of the transformers library, from a local folder or the hub.

    Weights are read from safetensors only. Each text goes through the model in a batch of fixed
    shape (rows filled up, lengths to a multiple of 16), so its score is the same in any company.

    Parameters
    ----------
    params : TextParams

    Raises
    ------
    SettingsError
        If the model has no safetensors weights, or its labels are not the three classes.
    UnavailableError
        If the model cannot be reached (offline, and not in the local cache).
    """

    name = "transformers"

    def __init__(self, params: TextParams) -> None:
        import torch

        self._params = params
        self.version = transformers_version(params)
        self._tokenizer, self._model = _load_model(params)
        self._order = class_order(self._model.config.id2label, params.labels, params.model)
        self._device = _device(params.device)
        self._model = self._model.to(self._device).eval()
        if self._device == "cpu":
            # One thread a Spark worker: the workers fill the cores, and sums keep their order.
            torch.set_num_threads(1)

    def score(self, texts: Sequence[str]) -> Probabilities:
        """Return class probabilities; see `TextScorer.score`."""
        limits = {"truncation": True, "max_length": self._params.max_tokens}
        tokens: list[list[int]] = [self._tokenizer(text, **limits)["input_ids"] for text in texts]
        order = sorted(range(len(texts)), key=lambda row: len(tokens[row]))
        scored = np.empty((len(texts), len(CLASSES)))
        for rows in _same_shape(order, tokens, self._params.batch_size):
            scored[rows] = self._score_batch([tokens[row] for row in rows])
        return scored

    def _score_batch(self, tokens: Sequence[Sequence[int]]) -> Probabilities:
        import torch

        filled = [*tokens, *[tokens[-1]] * (self._params.batch_size - len(tokens))]
        length = _padded(len(tokens[-1]))
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([[*row, *[pad] * (length - len(row))] for row in filled])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in filled])
        with torch.inference_mode():
            logits = self._model(input_ids=ids.to(self._device), attention_mask=mask.to(self._device)).logits
        numbers = np.asarray(logits.cpu().double().numpy(), dtype=float)
        return compute_probabilities(numbers[: len(tokens), self._order])


def class_order(id2label: Mapping[int, str], labels: Mapping[str, SentimentClass], model: str) -> list[int]:
    """Return the model's output column of negative, neutral and positive.

    Raises
    ------
    SettingsError
        If the three classes cannot be told from the model's label names and the settings.
    """
    meaning = {int(column): labels.get(label) or _guess(label) for column, label in id2label.items()}
    if sorted(filter(None, meaning.values())) != sorted(CLASSES):
        msg = (
            f"model {model} has the labels {list(id2label.values())}; needed is one each of "
            f"{', '.join(CLASSES)}: say in text.labels what each one means"
        )
        raise SettingsError(msg)
    return [next(column for column, which in meaning.items() if which == name) for name in CLASSES]


def _guess(label: str) -> SentimentClass | None:
    return next((which for hint, which in _HINTS if label.lower().startswith(hint)), None)


def _load_model(params: TextParams) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    options = {"revision": params.revision} if params.revision else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(params.model, **options)
        model = AutoModelForSequenceClassification.from_pretrained(
            params.model, use_safetensors=True, trust_remote_code=False, **options
        )
    except OSError as error:
        reason = str(error).splitlines()[0]
        if Path(params.model).is_dir():
            msg = f"text.model={params.model}: no safetensors weights or tokenizer ({reason}); convert it"
            raise SettingsError(msg) from error
        msg = (
            f"text.model={params.model} cannot be loaded ({reason}); download it once, or name a local folder"
        )
        raise UnavailableError(msg) from error
    return tokenizer, model


def transformers_version(params: TextParams) -> str:
    """Return the scorer's version: a digest of the weights' files, or the hub's commit, and the settings.

    Raises
    ------
    SettingsError
        If the model comes from the hub and no commit is named.
    """
    folder = Path(params.model)
    if folder.is_dir():
        identity = _folder_digest(str(folder.resolve()))
    elif re.fullmatch(r"[0-9a-f]{40}", params.revision):
        identity = f"{params.model}@{params.revision}"
    else:
        msg = (
            f"text.revision={params.revision!r}: model {params.model} comes from the hub, so name the commit "
            "of its weights (40 hexadecimal digits); a branch may move and scores must not"
        )
        raise SettingsError(msg)
    code = code_digest([(__name__, TransformersScorer.__name__)], packages=[__package__])
    content = repr((identity, sorted(params.labels.items()), params.max_tokens, DECIMALS, code))
    return f"transformers-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


@lru_cache(maxsize=8)
def _folder_digest(folder: str) -> str:
    digest = hashlib.sha256()
    files = sorted({file for pattern in _IDENTITY for file in Path(folder).glob(pattern)})
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _same_shape(
    order: Sequence[int], tokens: Sequence[Sequence[int]], batch_size: int
) -> Iterator[list[int]]:
    """Yield rows, sorted by length, in batches of one padded length."""
    batch: list[int] = []
    for row in order:
        if batch and (
            len(batch) == batch_size or _padded(len(tokens[row])) != _padded(len(tokens[batch[-1]]))
        ):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _padded(length: int) -> int:
    return -(-length // LENGTH_STEP) * LENGTH_STEP


def _device(wanted: str) -> str:
    import torch

    return wanted if wanted != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
