"""Parameters of the sequence family."""

from __future__ import annotations

from dataclasses import dataclass

from models.family_params import NO_LIMIT, check_ranges
from models.network_params import NetworkParams


@dataclass(frozen=True, slots=True, kw_only=True)
class TFTParams(NetworkParams):
    """Temporal Fusion Transformer, small enough for two CPU cores.

    Attributes
    ----------
    features : tuple of str
        Feature subset; empty takes the `max_features` steadiest ones of the fitted rows.
    max_features : int
        Features taken when none are named.
    hidden_size, attention_heads, dropout
        Network size; `hidden_size` must be a multiple of `attention_heads`.
    """

    features: tuple[str, ...] = ()
    max_features: int = 12
    hidden_size: int = 16
    attention_heads: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        NetworkParams.__post_init__(self)  # super() does not work in a dataclass that slots make anew
        check_ranges(
            self,
            max_features=(1, NO_LIMIT),
            hidden_size=(1, NO_LIMIT),
            attention_heads=(1, NO_LIMIT),
            dropout=(0.0, 0.9),
        )
        if self.hidden_size % self.attention_heads:
            msg = (
                f"hidden_size={self.hidden_size} must be a multiple of attention_heads={self.attention_heads}"
            )
            raise ValueError(msg)
