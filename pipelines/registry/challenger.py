"""The challenger: the model that training was last asked for, with what its run kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from models.identity import digest_frame
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.io.tracking import ModelVersion, Tracking
from pipelines.registry.champion import tracking_of
from pipelines.registry.ledger import read_ledger
from pipelines.registry.lineage import Lineage
from pipelines.registry.trained_models import find_trained, recorded_keys

log = logging.getLogger(__name__)

FRAME_FILE = "frame/frame.parquet"
OUT_OF_FOLD_FILE = "forecasts/out_of_fold.parquet"
HOLDOUT_FILE = "forecasts/holdout.parquet"
BASELINES_OUT_OF_FOLD_FILE = "evaluation/baselines_out_of_fold.parquet"
BASELINES_HOLDOUT_FILE = "evaluation/baselines_holdout.parquet"
FORMER_COLUMNS = {"decision_at": "cutoff_at"}
"""In frames of before the cut a row's bound of knowledge was its decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenger:
    """A registered version under judgement, and where its run's files are.

    Attributes
    ----------
    version : ModelVersion
    lineage : Lineage
        As the lake has it.
    folder : Path
        Model folder whose forecaster is, byte for byte, what training recorded.
    tracking : Tracking
    """

    version: ModelVersion
    lineage: Lineage
    folder: Path
    tracking: Tracking

    @property
    def name(self) -> str:
        """Its name in tables of results."""
        return f"{self.version.family} v{self.version.version}"

    def read(self, file: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Read one of the frames that its run kept, its columns named as they are now.

        MLflow keeps it, so that it may be shown and is no ground for a decision; `read_frame` is checked.
        """
        kept = pl.read_parquet(self.tracking.fetch(self.version.run_id, file))
        kept = kept.rename(FORMER_COLUMNS, strict=False)
        return kept.select(columns) if columns else kept

    def read_frame(self) -> pl.DataFrame:
        """Read the training frame that its run kept; see `read_kept_frame`."""
        return read_kept_frame(self.tracking, self.version, self.lineage)


def read_kept_frame(tracking: Tracking, version: ModelVersion, lineage: Lineage) -> pl.DataFrame:
    """Read the training frame that a version's run kept.

    Raises
    ------
    BadDataError
        If it is another one than the model was trained on.
    UnavailableError
        If it cannot be fetched.
    """
    frame = pl.read_parquet(tracking.fetch(version.run_id, FRAME_FILE)).rename(FORMER_COLUMNS, strict=False)
    if digest_frame(frame) != lineage.frame_digest:
        msg = (
            f"{FRAME_FILE} of run {version.run_id} is not what {version.family} v{version.version} was "
            "trained on; find out who changed it, then bring it back from a backup or train a new model"
        )
        raise BadDataError(msg)
    return frame


def find_challenger(context: Context, as_of: date) -> Challenger | None:
    """Return the version that training was last asked for at or before an as-of, None without any.

    The record of its runs says which: a version that is found rather than fitted may be older than others.

    Raises
    ------
    BadDataError
        If nothing vouches for its files, or they are not those that training recorded.
    """
    asked = context.run_log.last_details("train", as_of)
    if asked is None:
        return None
    tracking = tracking_of(context)
    _warn_of_foreign(context, tracking)
    version = tracking.version(str(asked["model_version"]))
    trained = find_trained(context.lake, version.model_key)
    if trained is None or asked["model_key"] != version.model_key:
        msg = (
            f"the lake has no record of training version {version.version}, so that nothing vouches for its "
            "files: an earlier release trained it, or it was put in its place. Train again"
        )
        raise BadDataError(msg)
    folder = tracking.model_folder(version.version, version.model_key, digests=trained.digests)
    return Challenger(version=version, lineage=trained.lineage, folder=folder, tracking=tracking)


def _warn_of_foreign(context: Context, tracking: Tracking) -> None:
    """Name the registered versions that nobody here has trained or made champion."""
    known = recorded_keys(context.lake) | {entry.model_key for entry in read_ledger(context.lake)}
    foreign = [one.version for one in tracking.versions() if one.model_key not in known]
    if foreign:
        log.warning("versions %s are skipped: the lake has no record of training them", ", ".join(foreign))
