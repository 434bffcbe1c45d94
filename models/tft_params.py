"""Parameters of the sequence family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.family_params import FamilyParams, check_range


@dataclass(frozen=True, slots=True, kw_only=True)
class TFTParams(FamilyParams):
    """Temporal Fusion Transformer, small enough for two CPU cores.

    Attributes
    ----------
    history_sessions : int
        Sessions of features a forecast sees, its own session included.
    features : tuple of str
        Feature subset; empty takes the `max_features` with the largest absolute univariate rank IC
        on the fitted rows.
    hidden_size, attention_heads, dropout
        Network size; `hidden_size` must be a multiple of `attention_heads`.
    batch_size, batches_per_epoch, max_epochs
        An epoch draws `batches_per_epoch` batches of windows at random, without replacement.
    patience : int
        Epochs without a better validation loss after which training stops.
    max_minutes : float
        Wall-clock limit of one fit, a guard and not a budget: `max_epochs` bounds the work. A fit that it
        cuts short is not reproducible; a warning and the saved record's ``outcome`` say so.
    threads, device
        As for XGBoost.
    """

    history_sessions: int = 20
    features: tuple[str, ...] = ()
    max_features: int = 12
    hidden_size: int = 16
    attention_heads: int = 2
    dropout: float = 0.2
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
        check_range("history_sessions", self.history_sessions, 2, 512)
        for name in ("max_features", "hidden_size", "attention_heads", "batch_size", "batches_per_epoch"):
            check_range(name, getattr(self, name), 1)
        for name in ("validation_windows", "max_epochs", "patience", "threads"):
            check_range(name, getattr(self, name), 1)
        check_range("dropout", self.dropout, 0.0, 0.9)
        check_range("learning_rate", self.learning_rate, 1e-6, 1.0)
        check_range("weight_decay", self.weight_decay, 0.0, 1.0)
        check_range("max_minutes", self.max_minutes, 0.01)
        if self.hidden_size % self.attention_heads:
            msg = (
                f"hidden_size={self.hidden_size} must be a multiple of attention_heads={self.attention_heads}"
            )
            raise ValueError(msg)
