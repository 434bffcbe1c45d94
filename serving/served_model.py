"""The model that answers: its manifest, its forecaster and how it is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from models.base import Forecaster, load_forecaster
from serving.online.store import ViewFeatures
from serving.pointer import Pointer

MANIFEST_FILE = "manifest.json"
FORECASTER_FOLDER = "forecaster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the service needs to know of its model; written beside the forecaster.

    Attributes
    ----------
    bento : str
        Tag of the Bento.
    release : str
        Version of the platform that built it.
    model_version, model_key, family : str
    horizon : int
        Sessions of the forecast return.
    history_sessions : int
        1 is a row model, computed live; more is a sequence model, answered from issued forecasts.
    feature_set : str
        Name of the set whose features the model reads; Feast's feature service has the same.
    feature_names : tuple of str
        Columns of a feature row, in the model's order.
    views : tuple of ViewFeatures
        Where the features come from. The first is the primary view: its rows say which symbols have a valid
        session; a row of another view counts where it is of the same session and valid.
        Manifests of before `required` say nothing of it: then no other view is.
    settings : mapping
        Default settings of a service started from the Bento; see `serving.settings.ServiceDefaults`.
    """

    bento: str
    release: str
    model_version: str
    model_key: str
    family: str
    horizon: int
    history_sessions: int
    feature_set: str
    feature_names: tuple[str, ...]
    views: tuple[ViewFeatures, ...]
    settings: Mapping[str, Any]

    @property
    def is_row_model(self) -> bool:
        """Whether one session's features are enough."""
        return self.history_sessions == 1

    @property
    def primary_view(self) -> str:
        """The view whose rows say which symbols have a valid session."""
        return self.views[0].name

    def to_json(self) -> str:
        """Return it with sorted keys, so that equal models have equal bytes."""
        return json.dumps(asdict(self), sort_keys=True, indent=1)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into the model's folder."""
    (folder / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest under `folder`.

    Raises
    ------
    ValueError
        If there is none, it lacks a key, or its views do not hold its features.
    """
    path = folder / MANIFEST_FILE
    try:
        content = _as_of_today(json.loads(path.read_text(encoding="utf-8")))
        content["feature_names"] = tuple(content["feature_names"])
        content["views"] = tuple(
            ViewFeatures(**{**view, "features": tuple(view["features"])}) for view in content["views"]
        )
        manifest = Manifest(**content)
    except (OSError, TypeError, KeyError, ValueError) as error:
        msg = f"{path} is not a champion's manifest ({error}); run `bellwether install`"
        raise ValueError(msg) from error
    listed = [name for view in manifest.views for name in view.features]
    if not listed or sorted(listed) != sorted(manifest.feature_names):
        strangers = sorted(set(manifest.feature_names) ^ set(listed))[:5] or sorted(listed)[:5]
        msg = f"{path}: views and feature_names differ in {strangers}; run `bellwether install`"
        raise ValueError(msg)
    return manifest


def _as_of_today(content: dict[str, Any]) -> dict[str, Any]:
    """Complete a manifest of the first version: it names no views, of which there were two, nor settings."""
    if "feature_service" not in content:
        return content
    by_view: dict[str, list[str]] = {"features_daily": [], "features_text": []}
    for name in content["feature_names"]:
        by_view["features_text" if name.startswith("text_") else "features_daily"].append(name)
    kept = {key: value for key, value in content.items() if key != "feature_service"}
    views = [{"name": view, "features": names} for view, names in by_view.items()]
    added = {"release": "", "feature_set": content["feature_service"], "views": views, "settings": {}}
    return {**kept, **added}


def digest_folder(folder: Path) -> str:
    """Return a digest of the names and bytes of all files under `folder`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class ServedModel:
    """A manifest and the forecaster it describes.

    The forecaster of a sequence model is loaded at its first batch request: single symbols are answered
    from issued forecasts, and its libraries are large.

    Attributes
    ----------
    manifest : Manifest
    folder : Path
    pointer : Pointer or None
        What named it; None for one that a Bento carries.
    issued : polars.DataFrame or None
        Forecasts that came with it: `symbol`, `session`, `model_key`, `value`, `rank`, `q10`, `q50`, `q90`.
    """

    manifest: Manifest
    folder: Path
    pointer: Pointer | None = None
    issued: pl.DataFrame | None = field(default=None, compare=False)

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


def load_served_model(
    folder: Path, pointer: Pointer | None = None, issued: pl.DataFrame | None = None
) -> ServedModel:
    """Load a model and, if it is a row model, let it forecast once so that no request waits for it.

    `pointer` and `issued` are as in `ServedModel`.

    Raises
    ------
    ValueError
        If manifest and forecaster do not fit each other.
    """
    model = ServedModel(read_manifest(folder), folder, pointer, issued)
    if not model.manifest.is_row_model:
        return model
    names, wanted = model.manifest.feature_names, tuple(model.forecaster.feature_names)
    if names != wanted:
        msg = (
            f"{folder}: the manifest names {len(names)} features, the model {len(wanted)}, "
            "not the same in the same order; run `bellwether install`"
        )
        raise ValueError(msg)
    unknown = {name: pl.Series([None], dtype=pl.Float64) for name in names}
    model.predict(pl.DataFrame({"symbol": ["WARM-UP"], "session": [date(2000, 1, 3)], **unknown}))
    return model
