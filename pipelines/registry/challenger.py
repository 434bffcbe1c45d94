"""The challenger: the version that training was last asked for, with what its run kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.base.context import Context
from pipelines.io.tracking import MODEL_FOLDER, ModelVersion, Tracking
from pipelines.registry.champion import tracking_of
from pipelines.registry.lineage import Lineage, read_lineage

REQUEST = "request"
FRAME_FILE = "frame/frame.parquet"
OUT_OF_FOLD_FILE = "forecasts/out_of_fold.parquet"
HOLDOUT_FILE = "forecasts/holdout.parquet"
BASELINES_OUT_OF_FOLD_FILE = "evaluation/baselines_out_of_fold.parquet"
BASELINES_HOLDOUT_FILE = "evaluation/baselines_holdout.parquet"
FORMER_COLUMNS = {"decision_at": "cutoff_at"}
"""In frames of before the cut a row's bound of knowledge was its decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenger:
    """A registered version under judgement, and where its run's files are."""

    version: ModelVersion
    lineage: Lineage
    tracking: Tracking

    @property
    def name(self) -> str:
        """Its name in tables of results."""
        return f"{self.version.family} v{self.version.version}"

    def read(self, file: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Read one of the frames that its run kept, its columns named as they are now."""
        path = self.tracking.fetch(self.version.run_id, file)
        kept = pl.read_parquet(path).rename(FORMER_COLUMNS, strict=False)
        return kept.select(columns) if columns else kept


def request_judgement(tracking: Tracking, version: ModelVersion) -> None:
    """Remember that training was asked for this version last: it is the one to judge.

    A version that is found rather than fitted may be older than others; its number does not tell.
    """
    newest = max((_request(entry) for entry in tracking.versions()), default=0)
    if _request(version) == 0 or _request(version) < newest:
        tracking.tag_version(version.version, REQUEST, str(newest + 1))


def find_challenger(context: Context, as_of: date) -> Challenger | None:
    """Return the version that training was last asked for at or before an as-of, None without any."""
    tracking = tracking_of(context)
    requested = [entry for entry in tracking.versions() if entry.as_of <= as_of]
    if not requested:
        return None
    version = max(requested, key=lambda entry: (_request(entry), int(entry.version)))
    folder = tracking.fetch(version.run_id, MODEL_FOLDER)
    return Challenger(version=version, lineage=read_lineage(folder), tracking=tracking)


def _request(version: ModelVersion) -> int:
    return int(version.tags.get(REQUEST, "0"))
