"""Name everything a model is made from, before it is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from features.catalog import catalog_digest
from models.base import build_forecaster
from models.identity import digest_frame, make_model_key
from models.params import ModelsParams
from models.splits import WalkForwardPlan
from pipelines.base.context import Context
from pipelines.io.feature_store import FEATURE_SERVICE
from pipelines.registry.lineage import UNIVERSE_RULE, Ancestry
from pipelines.registry.revision import compute_source_digest, read_git_commit
from pipelines.stages.train.steps import compute_model_key, feature_columns, last_label_end, model_settings


def trace_model(
    context: Context,
    as_of: date,
    frame: pl.DataFrame,
    plan: WalkForwardPlan,
    versions: Mapping[str, int | None],
) -> Ancestry:
    """Return the ancestry, `model_key` included, of the model that would be fitted on `frame`.

    Parameters
    ----------
    versions : mapping of table to Delta version
        Of the tables that `frame` was read from; they stand beside the key, not in it.
    """
    params = context.params(ModelsParams)
    features, frame_digest, splits = feature_columns(frame), digest_frame(frame), plan.as_record()
    definitions = {
        "feature_service": FEATURE_SERVICE,
        "feature_digest": catalog_digest(),
        "code_revision": compute_source_digest(),
        "universe_rule": UNIVERSE_RULE,
    }
    return Ancestry(
        model_key=compute_model_key(
            params, frame_digest=frame_digest, splits=splits, definitions=definitions
        ),
        family=params.family,
        as_of=as_of,
        decision_at=context.calendar.decision_at(as_of),
        horizon=params.split.horizon_sessions,
        feature_names=features,
        history_sessions=_history_sessions(params, features),
        rows=frame.height,
        frame_digest=frame_digest,
        table_versions=dict(versions),
        git_commit=read_git_commit(),
        settings_hash=make_model_key(model_settings(params)),
        model_settings=model_settings(params),
        splits=splits,
        seed=params.seed,
        fitted_until=last_label_end(frame, plan.final),
        embargo_sessions=params.split.embargo_sessions,
        **definitions,
    )


def _history_sessions(params: ModelsParams, features: tuple[str, ...]) -> int:
    return build_forecaster(params.family, params, features).history_sessions
