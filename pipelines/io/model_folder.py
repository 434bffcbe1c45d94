"""The folder of a registered model: MLflow's description around the forecaster's own safe files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from models.base import Forecaster, load_forecaster
from models.families import find_family

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models.signature import ModelSignature

FORECASTER_FOLDER = "forecaster"


def write_model_folder(forecaster: Forecaster, example: pl.DataFrame, folder: Path) -> None:
    """Write a forecaster as an MLflow model with signature and input example.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted; it writes its own weights, so nothing is pickled.
    example : polars.DataFrame
        A few rows with `symbol`, `session` and the features, history included.
    folder : Path
        New folder; ``data/forecaster`` below it holds what `load_forecaster` reads.
    """
    from mlflow import pyfunc

    given = example.select("symbol", "session", *forecaster.feature_names)
    answer = forecaster.predict(given)
    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(scratch) / FORECASTER_FOLDER
        forecaster.save(weights)
        pyfunc.save_model(
            folder,
            loader_module=__name__,
            data_path=str(weights),
            signature=_signature(given, answer),
            input_example=_to_pandas(given),
            pip_requirements=_requirements(forecaster.family),
        )


def forecaster_folder(model_folder: Path) -> Path:
    """Return where a model folder keeps the forecaster's own files."""
    return model_folder / "data" / FORECASTER_FOLDER


def read_forecaster(model_folder: Path) -> Forecaster:
    """Load the forecaster of a model folder."""
    return load_forecaster(forecaster_folder(model_folder))


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedForecaster:
    """A forecaster's files in memory, so that Spark can send it to workers that share no disk.

    Attributes
    ----------
    name : str
        Identity under which a worker keeps the loaded model for its next group.
    files : mapping of relative path to bytes
    """

    name: str
    files: Mapping[str, bytes]

    def load(self) -> Forecaster:
        """Return the forecaster, loaded once a process."""
        if self.name not in _LOADED:
            _LOADED.clear()
            _LOADED[self.name] = _unpack(self.files)
        return _LOADED[self.name]


_LOADED: dict[str, Forecaster] = {}


def pack_forecaster(model_folder: Path, name: str) -> PackedForecaster:
    """Read a model folder's forecaster into memory: kilobytes to a few megabytes."""
    root = forecaster_folder(model_folder)
    files = {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
    return PackedForecaster(name=name, files=files)


def _unpack(files: Mapping[str, bytes]) -> Forecaster:
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in files.items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return load_forecaster(Path(scratch))


class PyfuncForecaster:
    """What `mlflow.pyfunc.load_model` hands out for a forecaster of ours."""

    def __init__(self, forecaster: Forecaster) -> None:
        self.forecaster = forecaster

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Forecast every row; `session` is text in ISO form."""
        del params
        frame = pl.from_pandas(model_input).with_columns(pl.col("session").cast(pl.String).str.to_date())
        return _to_pandas(self.forecaster.predict(frame))


def _load_pyfunc(path: str) -> PyfuncForecaster:
    """MLflow's entry point, called with the data folder."""
    return PyfuncForecaster(load_forecaster(Path(path)))


def _to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    import pandas as pd

    texts = {"symbol": frame["symbol"].to_list(), "session": [_iso(day) for day in frame["session"]]}
    numbers = {name: frame[name].to_numpy() for name in frame.columns if name not in texts}
    return pd.DataFrame(texts | numbers)


def _iso(session: date) -> str:
    return session.isoformat()


def _signature(given: pl.DataFrame, answer: pl.DataFrame) -> ModelSignature:
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    def column(name: str, kind: pl.DataType) -> Any:
        if kind.is_float():
            return ColSpec(DataType.float if kind == pl.Float32 else DataType.double, name)
        return ColSpec(DataType.string, name)

    def schema(frame: pl.DataFrame) -> Any:
        return Schema([column(name, kind) for name, kind in frame.schema.items()])

    return ModelSignature(inputs=schema(given), outputs=schema(answer))


def _requirements(family: str) -> list[str]:
    names = ("mlflow-skinny", "polars", "numpy", *find_family(family).libraries)
    return [f"{name}=={version(name)}" for name in names]
