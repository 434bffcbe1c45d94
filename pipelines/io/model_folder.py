"""The folder of a registered model: MLflow's description around the forecaster's own safe files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
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
    libraries = ("mlflow-skinny", "polars", "numpy", *find_family(forecaster.family).libraries)
    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(scratch) / FORECASTER_FOLDER
        forecaster.save(weights)
        pyfunc.save_model(
            folder,
            loader_module=__name__,
            data_path=str(weights),
            signature=_signature(given, answer),
            input_example=_to_pandas(given),
            pip_requirements=[f"{name}=={version(name)}" for name in libraries],
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
            with tempfile.TemporaryDirectory() as scratch:
                for name, content in self.files.items():
                    path = Path(scratch) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                _LOADED[self.name] = load_forecaster(Path(scratch))
        return _LOADED[self.name]


_LOADED: dict[str, Forecaster] = {}


def pack_forecaster(model_folder: Path, name: str) -> PackedForecaster:
    """Read a model folder's forecaster into memory: kilobytes to a few megabytes."""
    return pack_files(forecaster_folder(model_folder), name)


def pack_files(root: Path, name: str) -> PackedForecaster:
    """Read a forecaster's own files into memory."""
    files = {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
    return PackedForecaster(name=name, files=files)


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

    texts = {"symbol": frame["symbol"].to_list(), "session": [day.isoformat() for day in frame["session"]]}
    numbers = {name: frame[name].to_numpy() for name in frame.columns if name not in texts}
    return pd.DataFrame(texts | numbers)


def _signature(given: pl.DataFrame, answer: pl.DataFrame) -> ModelSignature:
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    types: dict[Any, DataType] = {pl.Float32: DataType.float, pl.Float64: DataType.double}

    def schema(frame: pl.DataFrame) -> Any:
        kinds = {name: types.get(kind, DataType.string) for name, kind in frame.schema.items()}
        return Schema([ColSpec(kind, name) for name, kind in kinds.items()])

    return ModelSignature(inputs=schema(given), outputs=schema(answer))
