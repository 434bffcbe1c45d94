"""Settings as a person reads them: what is in force and why, and the page of every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.app.settings import CONF_FOLDER, Origins, Settings

SECRET_KEY = re.compile(
    r"secret|passw|token(?!s|_file)|credential|(access|account|api|encryption)[._-]?key", re.IGNORECASE
)
IN_ADDRESS = re.compile(r"(?<=//)(?P<user>[^/@\s:]*):[^/@\s]+(?=@)|(?<=password=)[^,\s&]+")
"""What stands between user and host of an address, or behind ``password=`` in one."""
MASK = "**********"


def print_settings(settings: Settings, origins: Origins) -> str:
    """Return every effective setting on a line of its own, with the file that gave it; secrets masked.

    Free-form keys, such as Spark's options, count as secret by their name, and so does the password within an
    address.
    """
    lines = []
    for key, value in _flatten(settings.model_dump(mode="json"), ""):
        shown = json.dumps(MASK if SECRET_KEY.search(key) else value, default=str)
        shown = IN_ADDRESS.sub(_mask_password, shown)
        lines.append((f"{key}={shown}", _origin_of(key, origins)))
    width = min(max(len(line) for line, _ in lines), 72)
    return "\n".join(f"{line:<{width}}  # {origin}" for line, origin in lines)


def _mask_password(found: re.Match[str]) -> str:
    user = found.group("user")
    return MASK if user is None else f"{user}:{MASK}"


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
