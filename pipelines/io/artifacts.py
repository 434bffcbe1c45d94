"""MLflow's artefacts: where they lie on this disk, and how they go."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

log = logging.getLogger(__name__)


def local_path(uri: str) -> Path | None:
    """Return the path of an artefact on this machine, None of one elsewhere."""
    parsed = urlparse(uri)
    return Path(url2pathname(parsed.path)) if parsed.scheme in {"", "file"} else None


def delete_artifacts(uri: str) -> None:
    """Delete a run's artefacts; of a store that deletes nothing, say what does."""
    local = local_path(uri)
    if local is not None:
        shutil.rmtree(local, ignore_errors=True)
        return
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        get_artifact_repository(uri).delete_artifacts()
    except NotImplementedError:
        log.warning("the artefact store at %s deletes nothing; run `mlflow gc` there", uri)
