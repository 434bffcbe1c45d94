"""The Temporal Fusion Transformer as a Lightning module, and the batches it is fed."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import lightning.pytorch as lightning
import numpy as np
import torch
from pytorch_forecasting import QuantileLoss, TemporalFusionTransformer
from torch import Tensor, nn

from models.params import TFTParams
from models.windows import Panel

log = logging.getLogger(__name__)

QUANTILES = (0.1, 0.5, 0.9)
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Windows with their targets: where each ends in the panel, and what came."""

    panel: Panel
    places: np.ndarray
    target: np.ndarray

    def batch(self, rows: np.ndarray) -> Batch:
        """Return windows and targets of `rows` as tensors."""
        windows = torch.from_numpy(self.panel.windows(self.places[rows]))
        return windows, torch.from_numpy(self.target[rows].astype(np.float32))


class EpochBatches:
    """The batches of one epoch, drawn by (seed, epoch) alone, so that a resumed fit draws the same."""

    def __init__(self, examples: Examples, *, size: int, limit: int, key: tuple[int, int]) -> None:
        self._examples, self._size = examples, size
        order = np.random.default_rng(key).permutation(len(examples.places))
        self._rows = order[: size * limit]

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self._rows), self._size):
            yield self._examples.batch(self._rows[start : start + self._size])


class Feed(lightning.LightningDataModule):  # type: ignore[misc]
    """Fresh training batches each epoch and one fixed, evenly spaced set of validation windows."""

    def __init__(self, train: Examples, validation: Examples, params: TFTParams, seed: int) -> None:
        super().__init__()
        self._train, self._validation, self._params, self._seed = train, validation, params, seed

    def train_dataloader(self) -> EpochBatches:
        """Return the current epoch's batches."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        chosen = self._params
        return EpochBatches(
            self._train, size=chosen.batch_size, limit=chosen.batches_per_epoch, key=(self._seed, epoch)
        )

    def val_dataloader(self) -> list[Batch]:
        """Return the validation batches."""
        count = len(self._validation.places)
        rows = np.arange(count)[:: max(1, -(-count // self._params.validation_windows))]
        parts = np.array_split(rows, max(1, len(rows) // 1024))
        return [self._validation.batch(part) for part in parts]


class Network(lightning.LightningModule):  # type: ignore[misc]
    """pytorch-forecasting's TFT with the pinball loss of three quantiles.

    A window's last session is the decoder's one step: its features are known when the forecast is
    made, so they are known reals; the target never enters as an input.

    Parameters
    ----------
    features : int
        Input variables.
    params : TFTParams
    seed : int
        Of the dropout masks, drawn anew by epoch.

    Notes
    -----
    Lim, Arik, Loeff and Pfister, *Temporal Fusion Transformers for Interpretable Multi-horizon Time Series
    Forecasting* (International Journal of Forecasting 37, 2021), without static inputs: symbols come and go.
    """

    def __init__(self, features: int, params: TFTParams, seed: int) -> None:
        super().__init__()
        self._params, self._seed = params, seed
        names = [f"x{place}" for place in range(features)]
        self.tft = TemporalFusionTransformer(
            hidden_size=params.hidden_size,
            hidden_continuous_size=max(4, params.hidden_size // 2),
            attention_head_size=params.attention_heads,
            dropout=params.dropout,
            max_encoder_length=params.history_sessions - 1,
            x_reals=names,
            time_varying_reals_encoder=names,
            time_varying_reals_decoder=names,
            output_size=len(QUANTILES),
            loss=QuantileLoss(list(QUANTILES)),
            logging_metrics=nn.ModuleList([]),
            share_single_variable_networks=True,
        )
        self.pinball = QuantileLoss(list(QUANTILES))

    def forward(self, windows: Tensor) -> dict[str, Tensor]:
        """Return the network's output for windows of shape (rows, history, features)."""
        rows, history, _ = windows.shape
        empty = torch.zeros(rows, history, 0, dtype=torch.long, device=windows.device)
        lengths = torch.full((rows,), history - 1, dtype=torch.long, device=windows.device)
        output: dict[str, Tensor] = self.tft(
            {
                "encoder_cat": empty[:, :-1],
                "encoder_cont": windows[:, :-1],
                "encoder_lengths": lengths,
                "decoder_cat": empty[:, -1:],
                "decoder_cont": windows[:, -1:],
                "decoder_lengths": torch.ones_like(lengths),
                "target_scale": torch.tensor([[0.0, 1.0]], device=windows.device).expand(rows, 2),
            }
        )
        return output

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the mean pinball loss of a batch."""
        return self._loss(batch)

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Log the mean pinball loss of a batch as ``val_loss``."""
        self.log("val_loss", self._loss(batch), batch_size=len(batch[1]), on_epoch=True)

    def on_train_epoch_start(self) -> None:
        """Seed the dropout masks by epoch, so that a resumed fit draws the same."""
        torch.manual_seed(self._seed * 1009 + self.current_epoch)

    def on_validation_epoch_end(self) -> None:
        """Say how far the fit is."""
        loss = self.trainer.callback_metrics.get("val_loss")
        if not self.trainer.sanity_checking and loss is not None:
            log.info("epoch %d: validation loss %.5f", self.current_epoch, float(loss))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW."""
        chosen = self._params
        return torch.optim.AdamW(self.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay)

    def _loss(self, batch: Batch) -> Tensor:
        windows, target = batch
        loss: Tensor = self.pinball.loss(self(windows)["prediction"], target[:, None]).mean()
        return loss
