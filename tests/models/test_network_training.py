"""The trainer takes any network: here a linear one, by its own name in no list of the product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import pytest
import torch
from torch import nn

from models.network_params import NetworkParams
from models.network_training import fit_network
from models.sequence_windows import Panel
from models.window_batches import Batch, Examples, WindowsDataModule

PARAMS = NetworkParams(
    history_sessions=3,
    learning_rate=0.05,
    batch_size=32,
    batches_per_epoch=6,
    max_epochs=12,
    patience=3,
    device="cpu",
)


class LinearNetwork(lightning.LightningModule):
    """One weight a place of the window, with dropout so that the seed of an epoch matters."""

    def __init__(self, history: int) -> None:
        super().__init__()
        self.weights, self.dropout = nn.Linear(history, 1), nn.Dropout(0.1)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.weights(self.dropout(windows[:, :, 0]))[:, 0]

    def training_step(self, batch: Batch, _index: int) -> torch.Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def validation_step(self, batch: Batch, _index: int) -> None:
        self.log("val_loss", nn.functional.mse_loss(self(batch[0]), batch[1]), batch_size=len(batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=PARAMS.learning_rate, weight_decay=0.0)


def examples() -> tuple[Examples, Examples]:
    """Targets that are the feature of two sessions ago."""
    values = np.random.default_rng(3).standard_normal((1, 402, 1)).astype(np.float32)
    panel = Panel(values=values, history=3)
    places = np.column_stack([np.zeros(400, int), np.arange(400)])
    target = values[0, :400, 0].astype(np.float64)
    return (
        Examples(panel=panel, places=places[:300], target=target[:300]),
        Examples(panel=panel, places=places[300:], target=target[300:]),
    )


def fit(workspace: Path | None = None, identity: str = "one") -> tuple[LinearNetwork, Any]:
    torch.manual_seed(0)
    network = LinearNetwork(3)
    batches = WindowsDataModule(*examples(), PARAMS, seed=5)
    return network, fit_network(network, batches, PARAMS, seed=5, workspace=workspace, identity=identity)


def test_that_any_network_is_fitted_and_left_ready_to_answer() -> None:
    network, outcome = fit()
    assert outcome.epochs == 7
    assert not outcome.cut_short
    assert not network.training
    weights = network.weights.weight[0].tolist()
    assert weights == pytest.approx([1.0, 0.0, 0.0], abs=0.15)
    windows, target = examples()[1].batch(np.arange(100))
    with torch.inference_mode():
        assert float(nn.functional.mse_loss(network(windows), target)) == pytest.approx(outcome.best_loss)


def test_that_equal_seeds_give_equal_bits() -> None:
    first, second = fit()[0], fit()[0]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_that_a_fit_that_stopped_early_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, outcome = fit(tmp_path)
    steps: list[int] = []
    made = LinearNetwork.training_step
    monkeypatch.setattr(
        LinearNetwork,
        "training_step",
        lambda self, *a: steps.append(1) or made(self, *a),  # type: ignore[func-returns-value]
    )
    again, repeated = fit(tmp_path)
    assert (steps, repeated) == ([], outcome)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    fit(tmp_path, identity="two")
    assert len(steps) == 7 * 6
