"""One fit of the network: trainer, checkpoints that can be resumed, and the best epoch's weights."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from models.device import resolve_device
from models.tft_network import Feed, Network
from models.tft_params import TFTParams

log = logging.getLogger(__name__)

LAST = "last.ckpt"
OWNER_FILE = "fit.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOutcome:
    """How a fit ended: epochs done, best validation loss, whether the time limit cut it short."""

    epochs: int
    best_loss: float
    cut_short: bool


@contextmanager
def torch_scope(threads: int, seed: int) -> Iterator[None]:
    """Use `threads` and a seeded generator inside, and leave torch's global state as it was.

    Lightning's advice on loaders and hyperparameters that are not used here is silenced as well.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def fit_network(
    network: Network, feed: Feed, params: TFTParams, *, workspace: Path | None, identity: str
) -> FitOutcome:
    """Fit `network` in place and leave it with the best epoch's weights.

    Parameters
    ----------
    workspace : Path or None
        Folder of the checkpoints. One that an interrupted fit of the same `identity` left is resumed after
        its last whole epoch; one of another identity is emptied first.
    identity : str
        Digest of rows, parameters and seed.

    Notes
    -----
    Checkpoints are read with torch's weights-only loader, which runs no code.
    """
    with _folder(workspace) as folder:
        _claim(folder, identity)
        checkpoint = ModelCheckpoint(
            folder, filename="best", monitor="val_loss", save_last=True, enable_version_counter=False
        )
        stopping = EarlyStopping("val_loss", patience=params.patience)
        trainer = _make_trainer(params, [checkpoint, stopping])
        resume = folder / LAST
        if resume.is_file():
            log.info("resuming the fit from %s", resume)
        ckpt_path = resume if resume.is_file() else None
        trainer.fit(network, datamodule=feed, ckpt_path=ckpt_path, weights_only=True)
        if checkpoint.best_model_path:
            best = torch.load(checkpoint.best_model_path, map_location="cpu", weights_only=True)
            network.load_state_dict(best["state_dict"])
        outcome = _describe(trainer, checkpoint, stopping)
        if outcome.cut_short:
            log.warning(
                "the fit stopped after %d epochs at max_minutes=%g: it cannot be reproduced bit for bit",
                outcome.epochs,
                params.max_minutes,
            )
        return outcome


def _make_trainer(params: TFTParams, callbacks: list[Any]) -> lightning.Trainer:
    quiet = logging.getLogger("lightning.pytorch")
    quiet.setLevel(logging.ERROR)
    return lightning.Trainer(
        accelerator="gpu" if resolve_device(params.device) == "cuda" else "cpu",
        devices=1,
        max_epochs=params.max_epochs,
        max_time=timedelta(minutes=params.max_minutes),
        callbacks=callbacks,
        gradient_clip_val=1.0,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _describe(trainer: lightning.Trainer, checkpoint: ModelCheckpoint, stopping: EarlyStopping) -> FitOutcome:
    best = checkpoint.best_model_score
    done = trainer.current_epoch
    finished = done >= (trainer.max_epochs or 0) or stopping.stopped_epoch > 0
    return FitOutcome(
        epochs=done, best_loss=float("nan") if best is None else float(best), cut_short=not finished
    )


@contextmanager
def _folder(workspace: Path | None) -> Iterator[Path]:
    if workspace is not None:
        workspace.mkdir(parents=True, exist_ok=True)
        yield workspace
        return
    with tempfile.TemporaryDirectory(prefix="bellwether-tft-") as scratch:
        yield Path(scratch)


def _claim(folder: Path, identity: str) -> None:
    """Keep the folder's checkpoints only if they belong to the same fit."""
    owner = folder / OWNER_FILE
    known = json.loads(owner.read_text(encoding="utf-8"))["identity"] if owner.is_file() else None
    if known == identity:
        return
    for path in folder.glob("*.ckpt"):
        path.unlink() if path.is_file() else shutil.rmtree(path)
    owner.write_text(json.dumps({"identity": identity}), encoding="utf-8")
