"""Feast's own pages as an ASGI application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serving.online.feast_config import PROJECT

RE_READ = "/api/v1/registry/refresh"
"""The one thing that Feast's pages post in order to read; the rest deletes, pushes or computes."""


def feast_pages(folder: Path) -> Any:
    """Return the application over the registry in `folder`; the caller holds off what changes it."""
    import feast
    from feast.ui_server import get_app

    return get_app(feast.FeatureStore(repo_path=str(folder)), PROJECT)
