"""The Temporal Fusion Transformer as a Lightning module."""

from __future__ import annotations

import lightning.pytorch as lightning
import torch
from pytorch_forecasting import QuantileLoss, TemporalFusionTransformer
from pytorch_forecasting.data.encoders import TorchNormalizer
from torch import Tensor, nn

from models.tft_params import TFTParams
from models.window_batches import Batch

QUANTILES = (0.1, 0.5, 0.9)


class Network(lightning.LightningModule):  # type: ignore[misc]
    """pytorch-forecasting's TFT with the pinball loss of three quantiles.

    A window's last session is the decoder's one step: its features are known when the forecast is
    made, so they are known reals; the target never enters as an input.

    Parameters
    ----------
    features : int
        Input variables.
    params : TFTParams

    Notes
    -----
    Lim, Arik, Loeff and Pfister, *Temporal Fusion Transformers for Interpretable Multi-horizon Time Series
    Forecasting* (International Journal of Forecasting 37, 2021), without static inputs: symbols come and go.
    """

    def __init__(self, features: int, params: TFTParams) -> None:
        super().__init__()
        self._params = params
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

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW."""
        chosen = self._params
        return torch.optim.AdamW(self.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay)

    def _loss(self, batch: Batch) -> Tensor:
        windows, target = batch
        loss: Tensor = self.pinball.loss(self(windows)["prediction"], target[:, None]).mean()
        return loss
