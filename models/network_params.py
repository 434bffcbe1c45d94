"""Parameters of every family that fits a network on windows of past features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.family_params import NO_LIMIT, FamilyParams, check_ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParams(FamilyParams):
    """How `models.network_training` fits a network; a family adds what shapes its own.

    Attributes
    ----------
    history_sessions : int
        Sessions of features a forecast sees, its own session included.
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size, batches_per_epoch, max_epochs
        An epoch draws `batches_per_epoch` batches of windows at random, without replacement.
    validation_windows : int
        Most windows on which the validation loss is measured.
    patience : int
        Epochs without a better validation loss after which training stops.
    max_minutes : float
        Wall-clock limit of one fit, a guard and not a budget: `max_epochs` bounds the work. A fit that it
        cuts short is not reproducible; a warning and the saved record's ``outcome`` say so.
    threads : int
        CPU threads.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes CUDA where a GPU answers.
    """

    history_sessions: int = 20
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    batch_size: int = 256
    batches_per_epoch: int = 60
    validation_windows: int = 5120
    max_epochs: int = 6
    patience: int = 2
    max_minutes: float = 30.0
    threads: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        check_ranges(
            self,
            history_sessions=(2, 512),
            batch_size=(1, NO_LIMIT),
            batches_per_epoch=(1, NO_LIMIT),
            validation_windows=(1, NO_LIMIT),
            max_epochs=(1, NO_LIMIT),
            patience=(1, NO_LIMIT),
            threads=(1, NO_LIMIT),
            learning_rate=(1e-6, 1.0),
            weight_decay=(0.0, 1.0),
            max_minutes=(0.01, NO_LIMIT),
        )
