"""What a publication is about, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pipelines.base.run_log import LastRun


def name_run(definitions: str, as_of: date) -> str:
    """Return what a run of the stage computes: these definitions as of that session."""
    return f"{definitions}@{as_of}"


def is_repeated(last: LastRun, definition: str, inputs: Mapping[str, int]) -> bool:
    """Tell whether the last finished run published the same as-of from the same table versions."""
    read = {table: version for table, version in last.inputs.items() if table in inputs}
    return last.definition == definition and read == dict(inputs)
