"""A row-wise linear scorer: robust scaling fitted once, then one coefficient a feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

CLIP = 3.0
MAD_TO_SIGMA = 1.4826
CHUNK_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustScaler:
    """Centre and scale of each feature, from the fitted rows alone.

    A row's scaled value needs no other row, so a live answer for one symbol equals the batch's.

    Attributes
    ----------
    centre, scale : numpy.ndarray
        Median and 1.4826 × median absolute deviation, shape (features,). A feature without spread
        has scale 0 and is scaled to 0.
    """

    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, matrix: np.ndarray, *, max_rows: int = 50_000) -> Self:
        """Fit on at most `max_rows` evenly spaced rows of `matrix`; NaN is left out."""
        sample = matrix[:: max(1, -(-len(matrix) // max_rows))].astype(np.float64)
        known = ~np.isnan(sample).all(axis=0)
        centre, scale = np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1])
        centre[known] = np.nanmedian(sample[:, known], axis=0)
        scale[known] = MAD_TO_SIGMA * np.nanmedian(np.abs(sample[:, known] - centre[known]), axis=0)
        spread = np.zeros_like(scale)
        spread[known] = np.nanstd(sample[:, known], axis=0)
        return cls(centre=centre, scale=np.where(scale > 1e-12 * np.abs(centre), scale, spread))

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        """Scale to about unit spread, clip to ±3, unknown values to 0; float64."""
        usable = self.scale > 0
        divisor = np.where(usable, self.scale, 1.0)
        scaled = np.clip((matrix - self.centre) / divisor, -CLIP, CLIP)
        return np.where(np.isnan(scaled) | ~usable, 0.0, scaled)

    def as_record(self) -> dict[str, list[float]]:
        """Return centre and scale as JSON-ready lists (JSON keeps every bit of a float64)."""
        return {"centre": self.centre.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Rebuild from `as_record`."""
        return cls(centre=np.array(record["centre"]), scale=np.array(record["scale"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearScorer:
    """A weighted sum of robustly scaled features.

    Attributes
    ----------
    scaler : RobustScaler
    coefficients : numpy.ndarray
        Target units per unit of a scaled feature, shape (features,).
    """

    scaler: RobustScaler
    coefficients: np.ndarray

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Return one score a row, in the unit of the target.

        The sum runs feature by feature in a fixed order, so that a row's bits do not depend on how
        many rows are scored with it (a BLAS product's do).
        """
        total = np.zeros(len(matrix))
        for start in range(0, len(matrix), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            scaled = self.scaler.transform(matrix[part])
            for column, coefficient in enumerate(self.coefficients):
                total[part] += scaled[:, column] * coefficient
        return total

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return the mean absolute contribution of each feature over `matrix`'s rows."""
        scaled = self.scaler.transform(matrix)
        weights: np.ndarray = np.abs(scaled).mean(axis=0) * np.abs(self.coefficients)
        return weights

    def as_record(self) -> dict[str, Any]:
        """Return the fitted state as JSON-ready lists."""
        return {"scaler": self.scaler.as_record(), "coefficients": self.coefficients.tolist()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Rebuild from `as_record`."""
        return cls(
            scaler=RobustScaler.from_record(record["scaler"]),
            coefficients=np.array(record["coefficients"]),
        )


def fit_ridge(matrix: np.ndarray, target: np.ndarray, *, shrinkage: float) -> LinearScorer:
    """Fit all coefficients together under one penalty.

    Parameters
    ----------
    matrix, target : numpy.ndarray
        Shapes (rows, features) and (rows,); NaN features count as their median.
    shrinkage : float
        Ridge penalty in units of the rows: 1 halves the coefficient of a lone standardised feature. No
        intercept: the target has mean zero within every session, so one would order nothing.
    """
    scaler = RobustScaler.fit(matrix)
    width = matrix.shape[1]
    gram, moment = np.zeros((width, width)), np.zeros(width)
    for start in range(0, len(matrix), CHUNK_ROWS):
        scaled = scaler.transform(matrix[start : start + CHUNK_ROWS])
        gram += scaled.T @ scaled
        moment += scaled.T @ target[start : start + CHUNK_ROWS]
    penalty = shrinkage * len(matrix) * np.eye(width)
    return LinearScorer(scaler=scaler, coefficients=np.linalg.solve(gram + penalty, moment))
