"""The model families: one entry each, with all that others must know of it.

Light to import, since the command line's help reads it: classes and their libraries come when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from models.family_params import FamilyParams
from models.tft_params import TFTParams
from models.xgboost_params import XGBoostParams


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFamily:
    """A family of models.

    Attributes
    ----------
    name : str
        What settings, records and registry call it.
    forecaster : str
        ``module:Class`` that keeps `models.base.Forecaster`.
    params : type of FamilyParams, optional
        Its own parameters, the settings ``models.<name>.*``.
    libraries : tuple of str
        Distributions that a fitted model needs beyond those of every forecaster; they are pinned in the
        model's folder and in its Bento.
    trainable : bool
        Whether ``train`` may fit it. The others are the baselines, which stand beside every result.
    """

    name: str
    forecaster: str
    params: type[FamilyParams] | None = None
    libraries: tuple[str, ...] = ()
    trainable: bool = False

    def load_class(self) -> Any:
        """Import and return the forecaster's class."""
        module, _, name = self.forecaster.partition(":")
        return getattr(import_module(module), name)


_ENTRIES = (
    ModelFamily(
        name="xgboost",
        forecaster="models.xgboost_forecaster:XGBoostForecaster",
        params=XGBoostParams,
        libraries=("xgboost",),
        trainable=True,
    ),
    ModelFamily(
        name="tft",
        forecaster="models.tft_forecaster:TFTForecaster",
        params=TFTParams,
        libraries=("lightning", "pytorch-forecasting", "safetensors", "torch"),
        trainable=True,
    ),
    ModelFamily(name="zero", forecaster="models.baselines:ZeroForecaster"),
    ModelFamily(name="reversal", forecaster="models.baselines:ReversalForecaster"),
    ModelFamily(name="momentum", forecaster="models.baselines:MomentumForecaster"),
    ModelFamily(name="ridge", forecaster="models.baselines:RidgeForecaster"),
)
FAMILIES = {entry.name: entry for entry in _ENTRIES}


def find_family(name: str) -> ModelFamily:
    """Return the entry of a family.

    Raises
    ------
    ValueError
        If it is unknown, naming the known ones.
    """
    if name not in FAMILIES:
        msg = f"family={name!r} is unknown; choose one of {', '.join(FAMILIES)}"
        raise ValueError(msg)
    return FAMILIES[name]


def trainable_families() -> tuple[str, ...]:
    """Return the names of the families that ``train`` may fit."""
    return tuple(name for name, entry in FAMILIES.items() if entry.trainable)


def baseline_families() -> tuple[str, ...]:
    """Return the names of the families that stand beside every result."""
    return tuple(name for name, entry in FAMILIES.items() if not entry.trainable)
