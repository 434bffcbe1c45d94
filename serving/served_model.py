"""The model that answers: its manifest, its forecaster and how it is loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import polars as pl

from models.base import Forecaster, load_forecaster

MANIFEST_FILE = "manifest.json"
FORECASTER_FOLDER = "forecaster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the service says about its model; written beside the forecaster.

    Attributes
    ----------
    bento : str
        Tag of the Bento.
    model_version, model_key, family : str
    horizon : int
        Sessions of the forecast return.
    history_sessions : int
        1 is a row model, computed live; more is a sequence model, answered from issued forecasts.
    feature_names : tuple of str
        Columns of a feature row, in the model's order.
    feature_service : str
        Feast feature service that holds them.
    """

    bento: str
    model_version: str
    model_key: str
    family: str
    horizon: int
    history_sessions: int
    feature_names: tuple[str, ...]
    feature_service: str

    @property
    def is_row_model(self) -> bool:
        """Whether one session's features are enough."""
        return self.history_sessions == 1


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest with sorted keys, so that equal champions have equal bytes."""
    text = json.dumps(asdict(manifest), sort_keys=True, indent=1)
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest under `folder`.

    Raises
    ------
    ValueError
        If there is none or it lacks a key.
    """
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(**{**content, "feature_names": tuple(content["feature_names"])})
    except (OSError, TypeError, KeyError, ValueError) as error:
        msg = f"{path} is not a champion's manifest ({error}); run `bellwether package` again"
        raise ValueError(msg) from error


def digest_folder(folder: Path) -> str:
    """Return a digest of the names and bytes of all files under `folder`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class Champion:
    """A manifest and the forecaster it describes.

    The forecaster of a sequence model is loaded at its first batch request: single symbols are answered
    from issued forecasts, and its libraries are large.
    """

    manifest: Manifest
    folder: Path

    @cached_property
    def forecaster(self) -> Forecaster:
        """The fitted forecaster."""
        return load_forecaster(self.folder / FORECASTER_FOLDER)

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Forecast feature rows.

        Parameters
        ----------
        rows : polars.DataFrame
            `symbol`, `session` and the features of the manifest, nulls where unknown.

        Returns
        -------
        polars.DataFrame
            `symbol`, `session`, `value` and, where the family has them, `q10`, `q50`, `q90`.
        """
        return self.forecaster.predict(rows)


def load_champion(folder: Path) -> Champion:
    """Load a champion and, if it is a row model, let it forecast once so that no request waits for it.

    Raises
    ------
    ValueError
        If manifest and forecaster do not fit each other.
    """
    champion = Champion(read_manifest(folder), folder)
    if champion.manifest.is_row_model:
        _check_features(champion)
        champion.predict(_blank_row(champion.manifest))
    return champion


def _check_features(champion: Champion) -> None:
    names, wanted = champion.manifest.feature_names, tuple(champion.forecaster.feature_names)
    if names != wanted:
        msg = (
            f"{champion.folder}: the manifest names {len(names)} features, the model {len(wanted)}, "
            "not the same in the same order; package it again"
        )
        raise ValueError(msg)


def _blank_row(manifest: Manifest) -> pl.DataFrame:
    features = {name: pl.Series([None], dtype=pl.Float64) for name in manifest.feature_names}
    return pl.DataFrame({"symbol": ["WARM-UP"], "session": [date(2000, 1, 3)], **features})
