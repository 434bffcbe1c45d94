"""Make a registered model again: the same frame, byte for byte, and the same numbers."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from models.identity import digest_frame
from models.params import ModelsParams
from pipelines.base.context import Context
from pipelines.base.stage import FEATURE_TABLES
from pipelines.registry.challenger import FRAME_FILE, HOLDOUT_FILE, OUT_OF_FOLD_FILE, Challenger
from pipelines.registry.champion import load_model, tracking_of
from pipelines.registry.fitting import Fitted, fit_model
from pipelines.registry.lineage import check_reproducible, restore_params
from pipelines.registry.revision import digest_family_code
from pipelines.registry.training_frame import open_view, read_frame
from pipelines.tables.contracts import GOLD_LABELS, select_tables

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What came out again.

    Attributes
    ----------
    version, model_key : str
    same_frame : bool
        The frame rebuilt from the lake has the digest of the one trained on.
    frame_digest, rebuilt_digest : str
    same_code : bool
        The code that makes models is the one that made it.
    rank_ic : dict
        ``out_of_fold`` and ``holdout``, each the number then and now.
    largest_difference : float
        Largest absolute difference of any out-of-fold or hold-out forecast.
    """

    version: str
    model_key: str
    same_frame: bool
    frame_digest: str
    rebuilt_digest: str
    same_code: bool
    rank_ic: dict[str, dict[str, float]]
    largest_difference: float

    @property
    def succeeded(self) -> bool:
        """Whether frame and every forecast are the same."""
        return self.same_frame and self.largest_difference == 0.0

    def as_record(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""
        return asdict(self) | {"succeeded": self.succeeded}


def reproduce(context: Context, version: str) -> Reproduction:
    """Rebuild a version's frame from the lake as of its own instant, fit again, compare.

    The tables are read as they are when it begins. Its cut was closed by the training, and nothing is
    written, so that the writer's lock is held for that moment alone.

    Parameters
    ----------
    version : str
        Registered version.

    Raises
    ------
    BadDataError
        If the version is unknown, or its record does not say what it was made from.
    """
    tracking = tracking_of(context)
    registered = tracking.version(version)
    lineage, folder = load_model(context, version, registered.model_key)
    check_reproducible(lineage)
    challenger = Challenger(version=registered, lineage=lineage, folder=folder, tracking=tracking)
    with context.writing():
        view = open_view(context, select_tables([FEATURE_TABLES, GOLD_LABELS.name]))
    params, features = restore_params(lineage, context.params(ModelsParams)), lineage.feature_names
    # Records that say nothing of baselines are of releases whose sets held what these read.
    columns = params.baselines.read_beside(features) if lineage.baselines else features
    frame = read_frame(view, lineage.as_of, lineage.horizon_sessions, columns)
    rebuilt = digest_frame(frame)
    if rebuilt != lineage.frame_digest:
        log.warning("the rebuilt frame differs: %s", explain_difference(challenger.read(FRAME_FILE), frame))
    with tempfile.TemporaryDirectory() as scratch:
        fitted = fit_model(frame, params, features, workspace=Path(scratch))
    return compare(challenger, fitted, rebuilt)


def compare(challenger: Challenger, fitted: Fitted, rebuilt_digest: str) -> Reproduction:
    """Return what came out again beside what the run kept."""
    lineage, tags = challenger.lineage, challenger.version.tags
    pairs = (
        (challenger.read(OUT_OF_FOLD_FILE), fitted.walk.forecasts),
        (challenger.read(HOLDOUT_FILE), fitted.holdout),
    )
    now = {"out_of_fold": fitted.walk.scores.rank_ic, "holdout": fitted.holdout_scores.rank_ic}
    return Reproduction(
        version=challenger.version.version,
        model_key=lineage.model_key,
        same_frame=rebuilt_digest == lineage.frame_digest,
        frame_digest=lineage.frame_digest,
        rebuilt_digest=rebuilt_digest,
        same_code=lineage.code_revision == digest_family_code(lineage.family),
        rank_ic={part: {"then": float(tags[f"rank_ic_{part}"]), "now": round(now[part], 6)} for part in now},
        largest_difference=max(_largest_difference(then, again) for then, again in pairs),
    )


def _largest_difference(then: pl.DataFrame, now: pl.DataFrame) -> float:
    """Largest absolute difference of the forecasts; infinite where the rows are not the same."""
    both = then.join(now, on=["symbol", "session"], how="inner", suffix="_now")
    if not both.height == then.height == now.height:
        return float("inf")
    return float(both.select((pl.col("value") - pl.col("value_now")).abs().max()).item() or 0.0)


def explain_difference(then: pl.DataFrame, now: pl.DataFrame) -> str:
    """Return one line that says how two frames differ: rows, and columns with other values."""
    key = ["symbol", "session"]
    lost, won = then.join(now, on=key, how="anti").height, now.join(then, on=key, how="anti").height
    both = then.join(now, on=key, how="inner", suffix="_now")
    changed = [
        name
        for name in then.columns
        if name not in key and not both[name].equals(both.get_column(f"{name}_now"), null_equal=True)
    ]
    return f"{lost} rows lost, {won} new, other values in {len(changed)} columns {changed[:5]}"
