"""Forecasts that stand beside every result: zero, reversal, 12-1 momentum and ridge."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl

from models.forecast_frames import (
    KEY,
    check_columns,
    check_feature_names,
    check_fit_frames,
    check_fitted,
    feature_matrix,
    forecast_frame,
    rows_to_forecast,
)
from models.forecaster_record import read_record, write_record
from models.linear import LinearScorer, fit_ridge
from models.params import ModelsParams
from models.targets import centred_rank


class RidgeForecaster:
    """Ridge on robustly scaled features, fitted on train and validation rows alike.

    Parameters
    ----------
    shrinkage : float
        Penalty in units of the fitted rows; see `models.linear`.
    """

    family = "ridge"
    history_sessions = 1
    caveats: tuple[str, ...] = ()

    def __init__(self, shrinkage: float, feature_names: tuple[str, ...]) -> None:
        self.shrinkage = shrinkage
        self.feature_names = check_feature_names(feature_names)
        self._scorer: LinearScorer | None = None
        self._importance: dict[str, float] = {}

    @classmethod
    def from_params(
        cls, params: ModelsParams, feature_names: tuple[str, ...], *, seed: int, workspace: Path | None = None
    ) -> Self:
        """Build from the settings' section; nothing is drawn at random and fits are short."""
        del seed, workspace
        return cls(params.baselines.ridge_shrinkage, feature_names)

    def fit(self, train: pl.DataFrame, validation: pl.DataFrame) -> Self:
        """Fit on the rows of both parts that have a target; nothing is chosen."""
        check_fit_frames(self.feature_names, fit=train, validation=validation)
        columns = [*KEY, "target", *self.feature_names]
        rows = pl.concat([train.select(columns), validation.select(columns)])
        rows = rows.filter(pl.col("target").is_not_null()).sort("session", "symbol")
        matrix = feature_matrix(rows, self.feature_names)
        self._scorer = fit_ridge(matrix, rows["target"].to_numpy(), shrinkage=self.shrinkage)
        parts = self._scorer.contributions(matrix)
        shares = parts / parts.sum() if parts.sum() > 0 else parts
        self._importance = dict(zip(self.feature_names, shares.tolist(), strict=True))
        return self

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        """Forecast each row from `first_session` on; see `Forecaster.predict`."""
        check_columns(frame, [*KEY, *self.feature_names])
        scorer, rows = check_fitted(self._scorer), rows_to_forecast(frame, first_session)
        return forecast_frame(rows, scorer.score(feature_matrix(rows, self.feature_names)))

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the mean absolute contribution."""
        return dict(self._importance)

    def save(self, folder: Path) -> None:
        """Write ``forecaster.json``, coefficients included."""
        content = {
            "shrinkage": self.shrinkage,
            "feature_names": list(self.feature_names),
            "scorer": self._scorer.as_record() if self._scorer else None,
            "importance": self._importance,
        }
        write_record(folder, self.family, content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        record = read_record(folder)
        made = cls(record["shrinkage"], tuple(record["feature_names"]))
        made._scorer = LinearScorer.from_record(record["scorer"]) if record["scorer"] else None
        made._importance = record["importance"]
        return made


class _Unfitted:
    """A forecaster with nothing to fit."""

    history_sessions = 1
    caveats: tuple[str, ...] = ()

    def __init__(self, feature_names: tuple[str, ...]) -> None:
        self.feature_names = check_feature_names(feature_names)

    def fit(self, train: pl.DataFrame, validation: pl.DataFrame) -> Self:
        """Check the frames and return unchanged."""
        check_fit_frames(self.feature_names, fit=train, validation=validation)
        return self


class FeatureForecaster(_Unfitted):
    """A forecast that is one feature's rank within the session, with a sign; nothing is fitted.

    Parameters
    ----------
    feature_names : tuple of str
        The one feature; a symbol without it gets 0, the middle of the session.
    """

    family: ClassVar[str]
    setting: ClassVar[str]
    sign: ClassVar[float]

    @classmethod
    def from_params(
        cls, params: ModelsParams, feature_names: tuple[str, ...], *, seed: int, workspace: Path | None = None
    ) -> Self:
        """Build from the settings' section: the feature that it names, be it one of the model's or not."""
        del feature_names, seed, workspace
        return cls((getattr(params.baselines, cls.setting),))

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        """Return the signed, centred rank of the feature within each session."""
        check_columns(frame, [*KEY, *self.feature_names])
        rows = rows_to_forecast(frame, first_session)
        feature_matrix(rows, self.feature_names)
        value = self.sign * centred_rank(self.feature_names[0]).fill_null(0.0)
        return rows.select(*KEY, value.cast(pl.Float64).alias("value"))

    def importance(self) -> dict[str, float]:
        """Return 1 for the one feature."""
        return {self.feature_names[0]: 1.0}

    def save(self, folder: Path) -> None:
        """Write ``forecaster.json``."""
        write_record(folder, self.family, {"feature": self.feature_names[0]})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls((read_record(folder)["feature"],))


class ReversalForecaster(FeatureForecaster):
    """Losers of the last sessions first: the negative of a past return."""

    family = "reversal"
    setting = "reversal_feature"
    sign = -1.0


class MomentumForecaster(FeatureForecaster):
    """Winners of the past year, its last month left out, first.

    Notes
    -----
    Jegadeesh and Titman (1993), *Journal of Finance* 48.
    """

    family = "momentum"
    setting = "momentum_feature"
    sign = 1.0


class ZeroForecaster(_Unfitted):
    """The random walk: every symbol the same, nothing ordered."""

    family = "zero"

    @classmethod
    def from_params(
        cls, params: ModelsParams, feature_names: tuple[str, ...], *, seed: int, workspace: Path | None = None
    ) -> Self:
        """Build; the features are asked for only so that a wrong frame is refused here too."""
        del params, seed, workspace
        return cls(feature_names)

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        """Return 0 for every row."""
        check_columns(frame, [*KEY, *self.feature_names])
        rows = rows_to_forecast(frame, first_session)
        return forecast_frame(rows, np.zeros(rows.height))

    def importance(self) -> dict[str, float]:
        """Return 0 for every feature."""
        return dict.fromkeys(self.feature_names, 0.0)

    def save(self, folder: Path) -> None:
        """Write ``forecaster.json``."""
        write_record(folder, self.family, {"feature_names": list(self.feature_names)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls(tuple(read_record(folder)["feature_names"]))
