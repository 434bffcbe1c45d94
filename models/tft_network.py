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
from pytorch_forecasting.data.encoders import TorchNormalizer
from torch import Tensor, nn

from models.sequence_windows import Panel
from models.tft_params import TFTParams

log = logging.getLogger(__name__)

QUANTILES = (0.1, 0.5, 0.9)
VALIDATION_BATCH = 1024
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


def draw_batches(examples: Examples, params: TFTParams, *, seed: int, epoch: int) -> Batches:
    """Draw one epoch's batches without replacement, by seed and epoch alone: a resumed fit draws the same."""
    order = np.random.default_rng((seed, epoch)).permutation(len(examples.places))
    kept = order[: params.batch_size * params.batches_per_epoch]
    return Batches(examples, kept, size=params.batch_size)


class Feed(lightning.LightningDataModule):  # type: ignore[misc]
    """Fresh training batches each epoch and one fixed, evenly spaced set of validation windows."""

    def __init__(self, train: Examples, validation: Examples, params: TFTParams, seed: int) -> None:
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
            output_transformer=TorchNormalizer(method="identity", center=False),
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
