"""Batches of windows for a network: drawn anew each epoch to fit, fixed to validate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor

from models.network_params import NetworkParams
from models.sequence_windows import Panel

VALIDATION_BATCH = 1024
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Windows with their targets: where each ends in the panel, and what came."""

    panel: Panel
    places: np.ndarray
    target: np.ndarray

    @classmethod
    def of(cls, panel: Panel, places: np.ndarray, target: np.ndarray) -> Self:
        """Return the examples of the `places` whose target is known (not NaN)."""
        known = ~np.isnan(target.astype(np.float64))
        return cls(panel=panel, places=places[known], target=target[known].astype(np.float64))

    def batch(self, rows: np.ndarray) -> Batch:
        """Return windows and targets of `rows` as tensors."""
        windows = torch.from_numpy(self.panel.windows(self.places[rows]))
        return windows, torch.from_numpy(self.target[rows].astype(np.float32))


class Batches:
    """Windows in runs of `size`, in the order of `rows`.

    Parameters
    ----------
    examples : Examples
    rows : numpy.ndarray
        Which examples, shape (rows,).
    size : int
        Windows a batch; the last one may be shorter.
    """

    def __init__(self, examples: Examples, rows: np.ndarray, *, size: int) -> None:
        self._examples, self._rows, self._size = examples, rows, size

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self._rows), self._size):
            yield self._examples.batch(self._rows[start : start + self._size])


def draw_batches(examples: Examples, params: NetworkParams, *, seed: int, epoch: int) -> Batches:
    """Draw one epoch's batches without replacement, by seed and epoch alone: a resumed fit draws the same."""
    order = np.random.default_rng((seed, epoch)).permutation(len(examples.places))
    kept = order[: params.batch_size * params.batches_per_epoch]
    return Batches(examples, kept, size=params.batch_size)


class WindowsDataModule(lightning.LightningDataModule):  # type: ignore[misc]
    """Fresh training batches each epoch and one fixed, evenly spaced set of validation windows."""

    def __init__(self, train: Examples, validation: Examples, params: NetworkParams, seed: int) -> None:
        super().__init__()
        self._train, self._validation, self._params, self._seed = train, validation, params, seed

    def train_dataloader(self) -> Batches:
        """Return the current epoch's batches."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        return draw_batches(self._train, self._params, seed=self._seed, epoch=epoch)

    def val_dataloader(self) -> Batches:
        """Return the validation batches."""
        count = len(self._validation.places)
        rows = np.arange(count)[:: math.ceil(count / self._params.validation_windows)]
        return Batches(self._validation, rows, size=VALIDATION_BATCH)
