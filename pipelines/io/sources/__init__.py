"""Sources of bars and texts behind one protocol."""

from __future__ import annotations

from pipelines.io.sources.base import BAR_COLUMNS, TEXT_COLUMNS, ReadRequest, Source
from pipelines.io.sources.params import SourceParams

__all__ = ["BAR_COLUMNS", "TEXT_COLUMNS", "ReadRequest", "Source", "SourceParams", "build_source"]


def build_source(params: SourceParams) -> Source:
    """Return the source that `params.name` selects; only its own module is imported."""
    if params.name == "files":
        from pipelines.io.sources.files import FilesSource

        return FilesSource(params.files)
    from pipelines.io.sources.simulated import SimulatedSource

    return SimulatedSource(params.simulated)
