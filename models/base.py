"""The one seam between forecasting and everything that uses a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Protocol, Self, cast

import polars as pl

from models.families import find_family
from models.forecaster_record import read_record
from models.params import ModelsParams


class Forecaster(Protocol):
    """A family of models that ranks the symbols of a session by their forward return.

    Frames hold one row a (symbol, session) with the columns `symbol`, `session`, every name of
    `feature_names` and, to fit, `target`. Other columns are ignored; rows come in any order.

    Attributes
    ----------
    family : str
        Name under which `build_forecaster` finds the class.
    feature_names : tuple of str
        Columns a frame must hold.
    history_sessions : int
        Sessions of features that one forecast needs, its own included: 1 is a row model, which may
        be computed live from an online store; more is a sequence model.
    """

    family: str
    feature_names: tuple[str, ...]
    history_sessions: int

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the last fit wants its readers to know, such as that it cannot be reproduced."""
        ...

    def fit(self, train: pl.DataFrame, validation: pl.DataFrame) -> Self:
        """Fit on `train`; `validation` may only decide when to stop (and join a refit)."""
        ...

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        """Forecast every row from `first_session` on; earlier rows serve as history only.

        Returns
        -------
        polars.DataFrame
            Columns `symbol`, `session`, `value` (Float64, never null) and, where the family has
            them, `q10`, `q50`, `q90` in the unit of the target, ordered; sorted by session, symbol.
        """
        ...

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the model's work; shares add up to 1, or all are 0."""
        ...

    def save(self, folder: Path) -> None:
        """Write ``forecaster.json`` and the weights in a safe format under `folder`."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; predictions are bit-equal to the saved object's."""
        ...


def build_forecaster(
    family: str,
    params: ModelsParams,
    feature_names: Sequence[str],
    *,
    seed: int | None = None,
    workspace: Path | None = None,
) -> Forecaster:
    """Build an unfitted forecaster of `family`.

    Parameters
    ----------
    params : ModelsParams
        The section of the settings; the family takes its own part.
    feature_names : sequence of str
        Feature columns in the order the model keeps.
    seed : int, optional
        Instead of ``params.seed``.
    workspace : Path, optional
        Folder in which a family may keep checkpoints and resume from them; without one an
        interrupted fit starts again. One folder belongs to one fit.

    Raises
    ------
    ValueError
        If the family is unknown or takes a part of the features and is told one that `feature_names` lacks.
    """
    chosen = params.seed if seed is None else seed
    kind = find_family(family).load_class()
    built = kind.from_params(params, tuple(feature_names), seed=chosen, workspace=workspace)
    return cast("Forecaster", built)


def load_forecaster(folder: Path) -> Forecaster:
    """Load the forecaster that `save` wrote under `folder`, whatever its family.

    Raises
    ------
    ValueError
        If the folder holds no record of ours, a newer one, or an unknown family.
    """
    return cast("Forecaster", find_family(read_record(folder)["family"]).load_class().load(folder))
