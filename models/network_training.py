"""One fit of any network: trainer, checkpoints that can be resumed, and the best epoch's weights."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from models.device import resolve_device
from models.network_params import NetworkParams

log = logging.getLogger(__name__)

BEST, LAST = "best.ckpt", "last.ckpt"
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


class _Epochs(Callback):  # type: ignore[misc]
    """Seeds each epoch by its number, so that a resumed fit draws what an undisturbed one draws (dropout)."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_epoch_start(self, trainer: lightning.Trainer, _module: lightning.LightningModule) -> None:
        torch.manual_seed(self._seed * 1009 + trainer.current_epoch)

    def on_validation_epoch_end(self, trainer: lightning.Trainer, _module: lightning.LightningModule) -> None:
        loss = trainer.callback_metrics.get("val_loss")
        if not trainer.sanity_checking and loss is not None:
            log.info("epoch %d: validation loss %.5f", trainer.current_epoch, float(loss))


def fit_network(
    network: lightning.LightningModule,
    batches: lightning.LightningDataModule,
    params: NetworkParams,
    *,
    seed: int,
    workspace: Path | None,
    identity: str,
) -> FitOutcome:
    """Fit `network` in place and leave it on the CPU with the best epoch's weights, ready to answer.

    Parameters
    ----------
    network : lightning.LightningModule
        Any; its `validation_step` logs ``val_loss``, of which the least chooses the epoch.
    batches : lightning.LightningDataModule
        Draws by seed and epoch alone, as `models.window_batches.WindowsDataModule` does.
    seed : int
        Of what the network draws itself, such as dropout masks.
    workspace : Path or None
        Folder of the checkpoints. One that an interrupted fit of the same `identity` left is resumed after
        its last whole epoch, and one that ended is not done again; one of another identity is emptied first.
    identity : str
        Digest of rows, parameters and seed.

    Notes
    -----
    Checkpoints are read with torch's weights-only loader, which runs no code.
    """
    with _folder(workspace) as folder, torch_scope(params.threads, seed):
        outcome = _claim(folder, identity)
        if outcome is None:
            outcome = _train(network, batches, params, seed=seed, folder=folder)
        if not outcome.cut_short:
            # Resuming a fit that early stopping has ended would go on past its end, to other weights.
            _write_owner(folder, identity, outcome)
        if (folder / BEST).is_file():
            best = torch.load(folder / BEST, map_location="cpu", weights_only=True)
            network.load_state_dict(best["state_dict"])
        network.to("cpu").eval()
        return outcome


def _train(
    network: lightning.LightningModule,
    batches: lightning.LightningDataModule,
    params: NetworkParams,
    *,
    seed: int,
    folder: Path,
) -> FitOutcome:
    checkpoint = ModelCheckpoint(
        folder, filename=Path(BEST).stem, monitor="val_loss", save_last=True, enable_version_counter=False
    )
    stopping = EarlyStopping("val_loss", patience=params.patience)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = lightning.Trainer(
        accelerator="gpu" if resolve_device(params.device) == "cuda" else "cpu",
        devices=1,
        max_epochs=params.max_epochs,
        max_time=timedelta(minutes=params.max_minutes),
        callbacks=[_Epochs(seed), checkpoint, stopping],
        gradient_clip_val=1.0,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    resume = folder / LAST if (folder / LAST).is_file() else None
    if resume:
        log.info("resuming the fit from %s", resume)
    trainer.fit(network.train(), datamodule=batches, ckpt_path=resume, weights_only=True)
    best, done = checkpoint.best_model_score, trainer.current_epoch
    finished = done >= params.max_epochs or stopping.stopped_epoch > 0
    outcome = FitOutcome(
        epochs=done, best_loss=float("nan") if best is None else float(best), cut_short=not finished
    )
    if outcome.cut_short:
        log.warning(
            "the fit stopped after %d epochs at max_minutes=%g: it cannot be reproduced bit for bit",
            outcome.epochs,
            params.max_minutes,
        )
    return outcome


@contextmanager
def _folder(workspace: Path | None) -> Iterator[Path]:
    if workspace is not None:
        workspace.mkdir(parents=True, exist_ok=True)
        yield workspace
        return
    with tempfile.TemporaryDirectory(prefix="bellwether-fit-") as scratch:
        yield Path(scratch)


def _claim(folder: Path, identity: str) -> FitOutcome | None:
    """Return how the same fit has ended here, if it has; checkpoints of another fit are removed."""
    owner = folder / OWNER_FILE
    known = json.loads(owner.read_text(encoding="utf-8")) if owner.is_file() else {}
    if known.get("identity") == identity:
        ended = known.get("outcome")
        return FitOutcome(**ended) if ended else None
    for path in folder.glob("*.ckpt"):
        path.unlink() if path.is_file() else shutil.rmtree(path)
    _write_owner(folder, identity, None)
    return None


def _write_owner(folder: Path, identity: str, outcome: FitOutcome | None) -> None:
    content = {"identity": identity, "outcome": asdict(outcome) if outcome else None}
    (folder / OWNER_FILE).write_text(json.dumps(content), encoding="utf-8")
