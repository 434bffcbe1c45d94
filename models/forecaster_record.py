"""The JSON record beside a model's weights: family, parameters and feature names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORD_FILE = "forecaster.json"
FORMAT = 1


def write_record(folder: Path, family: str, content: Mapping[str, Any]) -> None:
    """Write ``forecaster.json`` with sorted keys, so that equal models have equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {"format": FORMAT, "family": family, **content}
    (folder / RECORD_FILE).write_text(json.dumps(record, sort_keys=True, indent=1), encoding="utf-8")


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record under `folder`.

    Raises
    ------
    ValueError
        If it is missing or was written by a newer format.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        msg = f"{folder} holds no {RECORD_FILE}; pass the folder that Forecaster.save wrote"
        raise ValueError(msg)
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if record.get("format") != FORMAT:
        msg = (
            f"{path} has format {record.get('format')!r}, this version reads {FORMAT}; train the model again"
        )
        raise ValueError(msg)
    return record
