"""Name everything that a model is made from, before it is fitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import polars as pl

from features.code_digest import code_digest, feature_digest
from features.params import CalendarParams, LabelParams
from features.views import view_of
from models.base import build_forecaster
from models.identity import digest_frame, make_model_key
from models.params import ModelsParams
from models.splits import Fold, WalkForwardPlan
from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.io.sources.params import FeedsParams
from pipelines.io.text_models import scorer_version
from pipelines.io.text_params import TextParams
from pipelines.registry.lineage import UNIVERSE_RULE, Lineage
from pipelines.registry.revision import digest_family_code, read_git_commit
from pipelines.tables import queries
from pipelines.tables.contracts import SILVER_BARS
from pipelines.tables.view_sources import primary_bars


def build_lineage(
    context: Context,
    as_of: date,
    frame: pl.DataFrame,
    feature_names: Sequence[str],
    plan: WalkForwardPlan,
    *,
    versions: Mapping[str, int | None],
) -> Lineage:
    """Return the lineage, `model_key` included, of the model that would be fitted on `frame`.

    Parameters
    ----------
    frame : polars.DataFrame
        From `pipelines.registry.training_frame.read_frame`, with `feature_names` and what baselines read.
    feature_names : sequence of str
        Columns that the model reads, in its order.
    versions : mapping of table to Delta version
        Of the tables that `frame` was read from. They stand beside the key and not in it: writes without
        effect and compaction raise them.

    Notes
    -----
    The key rests on the features of the model's set alone, each by a digest of its entry and of the code
    that it reaches, on the definitions behind them and on the family's own code. No whole package enters, so
    a feature, a set or a family that the model does not use changes nothing.
    """
    params = context.params(ModelsParams)
    features, frame_digest, splits = tuple(feature_names), digest_frame(frame), plan.as_record()
    bound: dict[str, Any] = {
        "feature_set": params.feature_set,
        "feature_digests": {name: feature_digest(name) for name in features},
        "definitions": describe_definitions(context, features),
        "code_revision": digest_family_code(params.family),
        "universe_rule": UNIVERSE_RULE,
    }
    # Trees that draw columns at random depend on their order, which neither digests nor frame tell.
    key = compute_model_key(
        params, frame_digest=frame_digest, splits=splits, bound_to=bound | {"feature_names": features}
    )
    return Lineage(
        model_key=key,
        family=params.family,
        as_of=as_of,
        cutoff_at=context.calendar.cutoff_at(as_of),
        horizon_sessions=params.split.horizon_sessions,
        feature_names=features,
        history_sessions=build_forecaster(params.family, params, features).history_sessions,
        rows=frame.height,
        frame_digest=frame_digest,
        table_versions=dict(versions),
        git_commit=read_git_commit(),
        settings_hash=make_model_key(model_settings(params)),
        model_settings=model_settings(params),
        baselines=asdict(params.baselines),
        splits=splits,
        seed=params.seed,
        fitted_until=last_label_end(frame, plan.final),
        embargo_sessions=params.split.embargo_sessions,
        assumed_share=read_assumed_share(context, as_of),
        **bound,
    )


def read_assumed_share(context: Context, as_of: date) -> float | None:
    """Return the part of the primary bars known at a cut that are known by assumption alone."""
    primary = primary_bars(context.params(FeedsParams).bars)
    query = queries.count_known_by(SILVER_BARS, "assumed", context.calendar.cutoff_at(as_of), primary)
    rows, known = context.lake.collect_query(query, SILVER_BARS).row(0)
    return round(known / rows, 4) if rows else None


def compute_model_key(
    params: ModelsParams, *, frame_digest: str, splits: Mapping[str, Any], bound_to: Mapping[str, Any]
) -> str:
    """Return the identity of a model before it is fitted.

    Parameters
    ----------
    frame_digest : str
        From `models.identity.digest_frame`.
    splits : mapping
        ``WalkForwardPlan.as_record()``.
    bound_to : mapping
        Feature set, its features in order, digests of them and of what lies behind them, code, universe rule.
    """
    return make_model_key(
        {
            "frame": frame_digest,
            "settings": model_settings(params),
            "splits": splits,
            "bound_to": bound_to,
        }
    )


def describe_definitions(context: Context, features: Iterable[str]) -> dict[str, str]:
    """Return what lies behind the features: how bars were judged, their units, labels, texts' scorer.

    The labels of other horizons, and the scorer where no feature is built from texts, do not enter.
    """
    from_texts = any(view_of(name).source == "scored_texts" for name in features)
    primary = primary_bars(context.params(FeedsParams).bars)
    units = queries.distinct_values(SILVER_BARS, "price_basis", primary)
    bases = context.lake.collect_query(units, SILVER_BARS)
    return {
        "curate": context.run_log.last("curate").definition,
        "price_basis": ",".join(sorted(bases["price_basis"].drop_nulls())),
        "calendar": digest_of(context.params(CalendarParams)),
        "labels": digest_of(
            context.params(LabelParams).lag_minutes, code_digest([("features.labels", "compute_labels")])
        ),
        "text_scorer": scorer_version(context.params(TextParams)) if from_texts else "",
    }


def model_settings(params: ModelsParams) -> dict[str, Any]:
    """Return the settings that shape the fit of the chosen family; promotion and the others' aside."""
    own = params.of(params.family)
    return {
        "family": params.family,
        "seed": params.seed,
        "split": asdict(params.split),
    } | ({params.family: asdict(own)} if own else {})


def last_label_end(frame: pl.DataFrame, fold: Fold) -> datetime:
    """Return the latest `label_end` among the labelled rows that a fold fits on, validation included.

    Parameters
    ----------
    frame : polars.DataFrame
        Training frame, `label_end` in UTC; a null `target` means that the row is not fitted on.
    """
    parts = pl.concat([fold.fit.rows(frame), fold.validation.rows(frame)])
    ends = parts.filter(pl.col("target").is_not_null())["label_end"]
    latest: datetime = ends.to_list()[ends.arg_max() or 0]
    return latest
