"""Settings as a person reads them: what is in force and why, and the page of every key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.app.settings import CONF_FOLDER, Origins, Settings, is_secret_key
from pipelines.base.masking import mask_values


def print_settings(settings: Settings, origins: Origins) -> str:
    """Return every effective setting on a line of its own, with the file that gave it; secrets masked.

    Free-form keys, such as Spark's options, count as secret by their name, and so does the password within an
    address.
    """
    lines = []
    for key, value in _flatten(settings.model_dump(mode="json"), ""):
        shown = json.dumps(mask_values(value, key, is_secret_key), default=str)
        lines.append((f"{key}={shown}", _origin_of(key, origins)))
    width = min(max(len(line) for line, _ in lines), 72)
    return "\n".join(f"{line:<{width}}  # {origin}" for line, origin in lines)


def _flatten(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _flatten(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def _origin_of(key: str, origins: Origins) -> str:
    while key:
        if key in origins:
            return origins[key]
        key = key.rpartition(".")[0]
    return "default"


def document_settings(folder: Path = CONF_FOLDER) -> str:
    """Return the page that lists every key of `conf/base` with its comment and base value."""
    lines = [
        "# Settings",
        "",
        "Generated from the comments in `conf/base`. Override a key in `conf/<env>/` or with `--set`.",
        "",
    ]
    for path in sorted((folder / "base").glob("*.yaml")):
        lines += [f"## {path.name}", "", "```yaml", path.read_text(encoding="utf-8").rstrip(), "```", ""]
    return "\n".join(lines)
