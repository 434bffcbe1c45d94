"""MLflow: tagged runs with artefacts, one registered model for all families, one alias.

The order of a training run is fixed: a tagged run, its artefacts, the tag ``complete``, the registered
version. Whatever is interrupted on the way is found by its `model_key`: a complete run is registered, an
incomplete one removed.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import BadDataError, UnavailableError
from pipelines.base.masking import mask_text
from pipelines.base.small_files import identify_folder
from pipelines.io.artifacts import delete_artifacts, local_path
from pipelines.io.model_folder import forecaster_folder
from pipelines.io.tracking_params import TrackingParams
from serving.served_model import digest_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion as RegistryEntry

log = logging.getLogger(__name__)

CHAMPION = "champion"
COMPLETE = "complete"
MODEL_FOLDER = "model"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One registered model.

    Attributes
    ----------
    version : str
        MLflow's counter: a label, not an identity.
    run_id : str
        The run that made it.
    model_key : str
        Digest of everything the model was made from.
    family : str
        Which `Forecaster` it is.
    as_of : date
        Session at whose cut it was trained.
    tags : mapping of str to str
        All tags of the version.
    """

    version: str
    run_id: str
    model_key: str
    family: str
    as_of: date
    tags: Mapping[str, str]


class Tracking:
    """Runs, artefacts and registered versions of one home.

    Parameters
    ----------
    params : TrackingParams
        Where MLflow is; an empty address means SQLite under `folder`.
    folder : Path
        The home's MLflow folder: database, artefacts and copies of fetched models.
    """

    def __init__(self, params: TrackingParams, folder: Path) -> None:
        self.params = params
        self.folder = folder

    @property
    def database(self) -> Path:
        """The SQLite file used when settings name no address."""
        return self.folder / "mlflow.db"

    @property
    def uri(self) -> str:
        """Address of the tracking store."""
        return self.params.uri or f"sqlite:///{self.database}"

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client; importing it takes seconds, so only who needs it pays."""
        # Before MLflow's import, which reads them: it neither phones home nor draws on the terminal.
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        if not self.params.uri:
            _create_database(self.database)
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.params.registry_uri or self.uri)

    @cached_property
    def experiment_id(self) -> str:
        """The experiment's id, created with the home's artefact folder when there is none."""
        found = self.client.get_experiment_by_name(self.params.experiment)
        if found is not None:
            return str(found.experiment_id)
        place = None if self.params.uri else (self.folder / "artifacts").as_uri()
        return str(self.client.create_experiment(self.params.experiment, artifact_location=place))

    @cached_property
    def _own(self) -> Mapping[str, str]:
        """Tag of this home's runs on a server that others may share; its own database has no others."""
        return {"home": identify_folder(self.folder)} if self.params.uri else {}

    def begin_run(self, model_key: str, *, name: str, tags: Mapping[str, str], started_at: datetime) -> str:
        """Create a run that names its lineage, in one commit, and return its id."""
        run = self.client.create_run(
            self.experiment_id,
            start_time=int(started_at.timestamp() * 1000),
            run_name=name,
            tags={**tags, **self._own, "model_key": model_key, COMPLETE: "false"},
        )
        return str(run.info.run_id)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], *, at: datetime, step: int = 0) -> None:
        """Log numbers in one commit; those that are not finite are left out."""
        from math import isfinite

        from mlflow.entities import Metric

        millis = int(at.timestamp() * 1000)
        logged = [Metric(name, value, millis, step) for name, value in metrics.items() if isfinite(value)]
        self.client.log_batch(run_id, metrics=logged)

    def log_folder(self, run_id: str, folder: Path, *, below: str | None = None) -> None:
        """Copy the files under `folder` to the run's artefacts; what is there is overwritten."""
        self.client.log_artifacts(run_id, str(folder), below)

    def tag_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run in one commit."""
        from mlflow.entities import RunTag

        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def run_tags(self, run_id: str) -> dict[str, str]:
        """Return all tags of a run."""
        return dict(self.client.get_run(run_id).data.tags)

    def complete_run(self, run_id: str, *, finished_at: datetime) -> None:
        """Mark the run as complete: from here on it is registered, never repeated."""
        self.client.set_tag(run_id, COMPLETE, "true")
        self.client.set_terminated(run_id, end_time=int(finished_at.timestamp() * 1000))

    def find_complete_run(self, model_key: str) -> str | None:
        """Return the complete run of a key, or None."""
        runs = self._runs(model_key, complete=True)
        return str(runs[0].info.run_id) if runs else None

    def discard_incomplete_runs(self, model_key: str) -> int:
        """Remove this home's interrupted runs of a key with their artefacts; return how many there were."""
        found = self._runs(model_key, complete=False)
        runs = [run for run in found if run.data.tags.items() >= self._own.items()]
        for run in runs:
            delete_artifacts(run.info.artifact_uri)
            self.client.delete_run(run.info.run_id)
            log.info("removed incomplete run %s of model %s", run.info.run_id, model_key)
        return len(runs)

    def _runs(self, model_key: str, *, complete: bool) -> list[Run]:
        operator = "=" if complete else "!="
        condition = f"tags.model_key = '{model_key}' and tags.{COMPLETE} {operator} 'true'"
        return list(self.client.search_runs([self.experiment_id], condition, max_results=100))

    def register(self, run_id: str, tags: Mapping[str, str], *, description: str = "") -> ModelVersion:
        """Register the run's model folder as a version; a second call returns the first one's."""
        self._ensure_registered_model()
        named = f"name = '{self.params.registered_model}' and run_id = '{run_id}'"
        for existing in map(_described, self.client.search_model_versions(named)):
            if existing is not None and existing.model_key == tags["model_key"]:
                return existing
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{MODEL_FOLDER}"
        created = self.client.create_model_version(
            self.params.registered_model, source, run_id=run_id, tags=dict(tags), description=description
        )
        return self.version(str(created.version))

    def _ensure_registered_model(self) -> None:
        """Create the registered model if there is none: a commit before the first version's."""
        name = self.params.registered_model
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name, description="Forecasters of all families.")

    def versions(self, condition: str = "") -> list[ModelVersion]:
        """Return the versions that training registered, oldest first; others are skipped with a warning.

        Parameters
        ----------
        condition : str
            Further MLflow filter, such as ``tags.family = 'tft'``.
        """
        parts = [f"name = '{self.params.registered_model}'", *([condition] if condition else [])]
        found = self.client.search_model_versions(" and ".join(parts), max_results=10_000)
        described = [_described(entry) for entry in found]
        return sorted((one for one in described if one is not None), key=lambda one: int(one.version))

    def find_version(self, model_key: str, digests: Collection[str] | None = None) -> ModelVersion | None:
        """Return the version that was registered for a key, or None.

        Parameters
        ----------
        digests : collection of str, optional
            Those of the files that training recorded; versions with others, which may be anybody's, are
            passed over.
        """
        for version in self.versions(f"tags.model_key = '{model_key}'"):
            try:
                if digests is not None:
                    self.model_folder(version.version, model_key, digests=digests)
            except (BadDataError, UnavailableError) as error:
                log.warning("%s", error)
            else:
                return version
        return None

    def version(self, version: str) -> ModelVersion:
        """Return one registered version.

        Raises
        ------
        BadDataError
            If training has registered none of that number; the message lists those that it has.
        """
        from mlflow.exceptions import MlflowException

        name = self.params.registered_model
        try:
            found = _described(self.client.get_model_version(name, version))
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            found = None
        if found is None:
            names = ", ".join(entry.version for entry in self.versions()) or "none: train first"
            msg = f"version={version!r} of {name} is not registered by training; known: {names}"
            raise BadDataError(msg)
        return found

    def describe_version(self, version: str, text: str) -> None:
        """Set the text that MLflow's page shows for a version."""
        with self._answering():
            self.client.update_model_version(self.params.registered_model, version, text)

    def set_champion(self, version: str) -> None:
        """Point the alias `champion` at a version; the same version again commits nothing."""
        if self.champion() != version:
            with self._answering():
                self.client.set_registered_model_alias(self.params.registered_model, CHAMPION, version)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Say which MLflow it was that did not do what it was asked for."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            msg = (
                f"MLflow at {self.uri} does not answer as it should ({error}); see to it, then run this again"
            )
            raise UnavailableError(mask_text(msg)) from error

    def exists(self) -> bool:
        """Whether there is anything to ask: a store elsewhere, or this home's database."""
        return bool(self.params.uri) or self.database.is_file()

    def champion(self) -> str | None:
        """Return the version that the alias names, or None.

        Raises
        ------
        UnavailableError
            If MLflow does not answer.
        """
        with self._answering():
            found = self.client.search_registered_models(f"name = '{self.params.registered_model}'")
        aliases = found[0].aliases if found else {}
        return str(aliases[CHAMPION]) if CHAMPION in aliases else None

    def fetch(self, run_id: str, path: str) -> Path:
        """Return a local path of a run's artefact; local artefacts are not copied.

        Raises
        ------
        UnavailableError
            If it is not there, or the store does not answer.
        """
        uri = f"{self.client.get_run(run_id).info.artifact_uri}/{path}"
        local = local_path(uri)
        if local is not None:
            if not local.exists():
                msg = f"no {path} of run {run_id} at {local}; was the home moved or cleaned? Train again"
                raise UnavailableError(msg)
            return local
        from mlflow.exceptions import MlflowException

        target = self.folder / "fetched" / run_id
        target.mkdir(parents=True, exist_ok=True)
        try:
            return Path(self.client.download_artifacts(run_id, path, dst_path=str(target)))
        except (MlflowException, OSError) as error:
            msg = f"{path} of run {run_id} cannot be fetched ({error}); is {self.uri} up?"
            raise UnavailableError(mask_text(msg)) from error

    def model_folder(self, version: str, model_key: str, *, digests: Collection[str] | None = None) -> Path:
        """Return a local folder with the model of a version, fetched once.

        The copy spares the daily path MLflow's import: what is registered under a version never
        changes, so it stays right.

        Parameters
        ----------
        digests : collection of str, optional
            Those of the forecaster's files that training recorded; a copy that has another is fetched anew.

        Raises
        ------
        BadDataError
            If what MLflow holds has none of the digests.
        """
        copy = self.folder / "models" / f"{model_key}-v{version}"
        if copy.exists() and _is_one_of(copy, digests):
            return copy
        source = self.fetch(self.version(version).run_id, MODEL_FOLDER)
        partial = copy.with_name(f"{copy.name}.partial-{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        if not _is_one_of(partial, digests):
            shutil.rmtree(partial)
            msg = (
                f"the files of version {version} at {source} are not those that training recorded for model "
                f"{model_key[:12]}; find out who changed them, then bring them back from a backup or train "
                "a new model"
            )
            raise BadDataError(msg)
        shutil.rmtree(copy, ignore_errors=True)
        partial.rename(copy)
        return copy


@lru_cache(maxsize=8)
def open_tracking(params: TrackingParams, folder: Path) -> Tracking:
    """Return the MLflow of a home; the stages of one process share its client."""
    return Tracking(params, folder)


def _is_one_of(model_folder: Path, digests: Collection[str] | None) -> bool:
    return digests is None or digest_folder(forecaster_folder(model_folder)) in digests


def _create_database(path: Path) -> None:
    """Create the database beside its place and move it there whole: MLflow's migrations are not atomic."""
    if path.exists():
        return
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name("mlflow.db.new")
    fresh.unlink(missing_ok=True)
    address = f"sqlite:///{fresh}"
    MlflowClient(tracking_uri=address, registry_uri=address).search_registered_models()
    fresh.rename(path)


def _described(entry: RegistryEntry) -> ModelVersion | None:
    """Return what a version's tags say of it; None, with a warning, where they are not those of training."""
    tags: dict[str, Any] = dict(entry.tags)
    try:
        return ModelVersion(
            version=str(entry.version),
            run_id=str(entry.run_id),
            model_key=tags["model_key"],
            family=tags["family"],
            as_of=date.fromisoformat(tags["as_of"]),
            tags=tags,
        )
    except (KeyError, ValueError) as error:
        log.warning("version %s is skipped, training has not registered it (tags: %r)", entry.version, error)
        return None
