"""Sources of bars, actions and texts behind one protocol."""

from __future__ import annotations

from pipelines.base.lake import Lake
from pipelines.io.sources.base import (
    ACTION_COLUMNS,
    BAR_COLUMNS,
    TEXT_COLUMNS,
    Arrival,
    Delivery,
    NotPlain,
    Provision,
    ReadRequest,
    ReadsInParts,
    Source,
)
from pipelines.io.sources.params import FilesParams, SourceParams

__all__ = [
    "ACTION_COLUMNS",
    "BAR_COLUMNS",
    "TEXT_COLUMNS",
    "Arrival",
    "Delivery",
    "NotPlain",
    "Provision",
    "ReadRequest",
    "ReadsInParts",
    "Source",
    "build_source",
]


def build_source(name: str, params: SourceParams, lake: Lake) -> Source:
    """Return the source `name` of the settings; only the module of its kind is imported.

    Parameters
    ----------
    name : str
        Stands on every record that it delivers, and in the identity of its batches.
    params : SourceParams
        Their type selects the kind of source.
    lake : Lake
        Whose distributed engine reads what does not fit this process; it is not started before a read.
    """
    if isinstance(params, FilesParams):
        from pipelines.io.sources.files import FilesSource

        return FilesSource(name, params, lake)
    from pipelines.io.sources.simulated import SimulatedSource

    return SimulatedSource(name, params)
