"""MLflow's own pages over a home's tracking database, as an ASGI application."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_SEARCHES = (
    "2.0/mlflow/experiments/search",
    "2.0/mlflow/runs/search",
    "2.0/mlflow/logged-models/search",
    "2.0/mlflow/registered-models/get-latest-versions",
    "3.0/mlflow/traces/search",
    "3.0/mlflow/datasets/search",
    "3.0/mlflow/issues/search",
)
READS = frozenset(f"/{api}/{search}" for api in ("api", "ajax-api") for search in _SEARCHES) | {
    "/graphql",
    "/ajax-api/2.0/mlflow/experiments/search-datasets",
}
"""What MLflow's pages post in order to read; everything else that is posted changes its record."""

ACTING = frozenset({"assistant", "gateway", "jobs", "mcp", "mcp-servers", "scorers", "prompt-optimization"})
"""Parts of MLflow that run programs or ask other addresses, some of them on a mere GET."""


def mlflow_pages(database: Path, artifacts: Path) -> Any:
    """Return the application; whatever changes the record is the caller's to hold off.

    Parameters
    ----------
    database : Path
        SQLite file; made where there is none.
    artifacts : Path
        Where runs lie whose record names no place.
    """
    from mlflow.server import constants

    store = f"sqlite:///{database}"
    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = store
    os.environ[constants.REGISTRY_STORE_URI_ENV_VAR] = store
    os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = str(artifacts)
    # The platform hands MLflow no jobs; whose names are taken is judged before it is asked.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"] = "true"

    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(store, store, str(artifacts))
    return app
