"""A family that no list of the product knows: each feature's rank, signed by how it has paid."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from models.families import ModelFamily
from models.family_params import NO_LIMIT, FamilyParams, check_ranges
from models.forecast_frames import (
    KEY,
    check_columns,
    check_feature_names,
    check_fit_frames,
    feature_matrix,
    forecast_frame,
    rows_to_forecast,
)
from models.forecaster_record import read_record, write_record
from models.params import ModelsParams


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyParams(FamilyParams):
    clip: float = 3.0
    votes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_ranges(self, clip=(0.1, NO_LIMIT))

    def check_horizon(self, horizon_sessions: int) -> None:
        if self.clip < horizon_sessions / 100:
            msg = f"clip={self.clip} must be at least {horizon_sessions / 100}"
            raise ValueError(msg)


class ToyForecaster:
    family = "toy"
    history_sessions = 1
    caveats: tuple[str, ...] = ()

    def __init__(self, params: ToyParams, feature_names: tuple[str, ...]) -> None:
        self.params, self.feature_names = params, check_feature_names(feature_names)
        self._signs: list[float] = []

    @classmethod
    def from_params(
        cls, params: ModelsParams, feature_names: tuple[str, ...], *, seed: int, workspace: Path | None = None
    ) -> Self:
        return cls(params.of(cls.family), feature_names)

    def fit(self, train: pl.DataFrame, validation: pl.DataFrame) -> Self:
        check_fit_frames(self.feature_names, fit=train, validation=validation)
        rows = train.filter(pl.col("target").is_not_null()).sort("session", "symbol")
        matrix = np.nan_to_num(feature_matrix(rows, self.feature_names)).astype(np.float64)
        self._signs = np.sign((matrix * rows["target"].to_numpy()[:, None]).sum(axis=0)).tolist()
        return self

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        check_columns(frame, [*KEY, *self.feature_names])
        rows = rows_to_forecast(frame, first_session)
        matrix = np.nan_to_num(feature_matrix(rows, self.feature_names)).astype(np.float64)
        clipped = np.clip(matrix, -self.params.clip, self.params.clip)
        return forecast_frame(rows, (clipped * np.array(self._signs)).sum(axis=1))

    def importance(self) -> dict[str, float]:
        return dict.fromkeys(self.feature_names, 1 / len(self.feature_names))

    def save(self, folder: Path) -> None:
        content = {"params": asdict(self.params), "names": list(self.feature_names), "signs": self._signs}
        write_record(folder, self.family, content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        record = read_record(folder)
        made = cls(ToyParams(clip=record["params"]["clip"]), tuple(record["names"]))
        made._signs = record["signs"]
        return made


TOY = ModelFamily(
    name="toy",
    forecaster="tests.models.toy_family:ToyForecaster",
    params=ToyParams,
    libraries=("scipy",),
    trainable=True,
)
