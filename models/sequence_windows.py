"""Windows of past features for sequence models, cut from one dense array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.forecast_frames import KEY, feature_matrix
from models.linear import RobustScaler


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Scaled features of every symbol at every session of a frame.

    Attributes
    ----------
    values : numpy.ndarray
        float32, shape (symbols, history − 1 + sessions, features). Unknown values and absent rows are 0,
        the feature's middle; so are the `history` − 1 places before the first session.
    history : int
        Sessions a window spans.
    """

    values: np.ndarray
    history: int

    def windows(self, places: np.ndarray) -> np.ndarray:
        """Return the windows that end at `places`, shape (rows, history, features).

        Parameters
        ----------
        places : numpy.ndarray
            Symbol and session number of each row, shape (rows, 2).
        """
        steps = np.arange(self.history)
        cut: np.ndarray = self.values[places[:, :1], places[:, 1:] + steps]
        return cut


def build_panel(
    frame: pl.DataFrame, names: Sequence[str], scaler: RobustScaler, *, history: int
) -> tuple[Panel, np.ndarray]:
    """Lay a frame out as a dense panel.

    Parameters
    ----------
    frame : polars.DataFrame
        Unique by (symbol, session), with the features `names`; in any order. The sessions that it holds
        are taken for consecutive: a window counts those.
    scaler : RobustScaler
        Fitted on the rows that the model is fitted on.
    history : int

    Returns
    -------
    Panel
    places : numpy.ndarray
        Symbol and session number of each row of `frame`, in its order, shape (rows, 2).
    """
    ranks = frame.select(pl.col(name).rank("dense").cast(pl.Int64) - 1 for name in KEY)
    places = ranks.to_numpy()
    symbols, sessions = (places.max(axis=0) + 1) if len(places) else (0, 0)
    values = np.zeros((symbols, history - 1 + sessions, len(names)), dtype=np.float32)
    values[places[:, 0], places[:, 1] + history - 1] = scaler.transform(feature_matrix(frame, names))
    return Panel(values=values, history=history), places


def choose_features(
    matrix: np.ndarray, payoffs: np.ndarray, names: Sequence[str], *, count: int, max_correlation: float = 0.9
) -> tuple[str, ...]:
    """Take the steadiest features, leaving out near copies of those already taken.

    Parameters
    ----------
    matrix : numpy.ndarray
        Scaled features of the fitted rows, shape (rows, features).
    payoffs : numpy.ndarray
        Absolute weight of each feature, shape (features,); a feature without one comes last.
    count : int
        Most features taken.
    max_correlation : float
        Largest absolute correlation with a feature taken before.
    """
    sample = matrix[:: max(1, len(matrix) // 20_000)]
    spread = sample.std(axis=0)
    standard = (sample - sample.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    taken: list[int] = []
    for place in np.argsort(-payoffs, kind="stable"):
        near = [abs(standard[:, place] @ standard[:, other]) / len(standard) for other in taken]
        if spread[place] > 0 and max(near, default=0.0) <= max_correlation:
            taken.append(int(place))
        if len(taken) == count:
            break
    return tuple(names[place] for place in sorted(taken))
