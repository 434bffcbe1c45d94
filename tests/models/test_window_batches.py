"""Batches of windows: each epoch's own, and the fixed ones of the validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from models.network_params import NetworkParams
from models.sequence_windows import Panel
from models.window_batches import Examples, WindowsDataModule, draw_batches

PARAMS = NetworkParams(history_sessions=2)


def test_that_epochs_draw_anew_and_without_repeats() -> None:
    panel = Panel(values=np.arange(60, dtype=np.float32).reshape(1, 60, 1), history=2)
    places = np.column_stack([np.zeros(50, int), np.arange(50)])
    examples = Examples(panel=panel, places=places, target=np.arange(50.0))
    params = replace(PARAMS, batch_size=8, batches_per_epoch=4)
    draws = [draw_batches(examples, params, seed=1, epoch=epoch) for epoch in (0, 0, 1)]
    first, again, second = ([target for _, target in draw] for draw in draws)
    assert [len(batch) for batch in first] == [8, 8, 8, 8]
    assert torch.cat(first).unique().numel() == 32
    assert torch.equal(torch.cat(first), torch.cat(again))
    assert not torch.equal(torch.cat(first), torch.cat(second))
    assert len(draw_batches(examples, replace(params, batches_per_epoch=99), seed=1, epoch=0)) == 7


def test_that_examples_without_a_target_are_left_out() -> None:
    panel = Panel(values=np.arange(6, dtype=np.float32).reshape(1, 6, 1), history=2)
    places = np.array([[0, 0], [0, 1], [0, 4]])
    examples = Examples.of(panel, places, np.array([1.0, np.nan, 3.0]))
    assert examples.places.tolist() == [[0, 0], [0, 4]]
    windows, target = examples.batch(np.array([1]))
    assert windows.tolist() == [[[4.0], [5.0]]]
    assert target.tolist() == [3.0]


def test_that_validation_windows_are_evenly_spaced_and_fixed() -> None:
    panel = Panel(values=np.zeros((1, 11, 1), np.float32), history=2)
    places = np.column_stack([np.zeros(10, int), np.arange(10)])
    examples = Examples(panel=panel, places=places, target=np.arange(10.0))
    batches = WindowsDataModule(examples, examples, replace(PARAMS, validation_windows=4), seed=1)
    assert [target.tolist() for _, target in batches.val_dataloader()] == [[0.0, 3.0, 6.0, 9.0]]
