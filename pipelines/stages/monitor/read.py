"""Reads what the stage compares: a bounded number of sessions of the whole universe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from features.sessions import INSTANT
from features.views import all_features
from models.forecast_frames import KEY
from pipelines.base.context import Context
from pipelines.base.small_files import read_record
from pipelines.io.feature_retrieval import INSTANT_COLUMN, read_features
from pipelines.registry.champion import champion_at, tracking_of
from pipelines.registry.model_description import IMPORTANCE_FILE
from pipelines.stages.monitor.params import MonitorParams
from pipelines.stages.monitor.scales import SCALE_FEATURES
from pipelines.stages.monitor.steps import rank_features
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_FORECASTS, GOLD_LABELS
from pipelines.tables.scope import range_condition


def choose_features(context: Context, as_of: date) -> list[str]:
    """Return the features that the report shows: the champion's most important ones.

    Without a champion, or where its family knows no importance, the first ones of the catalog.
    """
    names = [feature.name for feature in all_features()]
    return rank_features(read_importance(context, as_of), names, context.params(MonitorParams).top_features)


def read_importance(context: Context, as_of: date) -> dict[str, float]:
    """Return what training kept of the champion's importance, empty without any."""
    champion = champion_at(context, as_of)
    if champion is None:
        return {}
    tracking = tracking_of(context)
    path = tracking.fetch(tracking.version(champion.model_version).run_id, IMPORTANCE_FILE)
    return read_record(path)


def read_vectors(context: Context, as_of: date, names: Sequence[str]) -> pl.DataFrame:
    """Return `symbol`, `session` and features of both windows, as known at the as-of's cut.

    Returns
    -------
    polars.DataFrame, shape (n_valid_vectors, 2 + n_features)
        One row a symbol and session with a valid vector; unknown values are null. Every session is seen from
        the same instant, so corrections that came later than its own cut are in it.
    """
    wanted = sorted({*SCALE_FEATURES, *names})
    rows = pl.DataFrame(
        {"session": context.calendar.sessions(first_session(context, as_of), as_of)},
    ).with_columns(pl.lit(context.calendar.cutoff_at(as_of), INSTANT).alias(INSTANT_COLUMN))
    vectors = read_features(context, rows, wanted)
    here = context.lake.collect(vectors)
    return here.drop(INSTANT_COLUMN)


def first_session(context: Context, as_of: date) -> date:
    """Return the first session of the longest reference window."""
    params = context.params(MonitorParams)
    return context.calendar.look_back(as_of, params.reference_sessions + params.current_sessions - 1)


def read_forecasts(context: Context, as_of: date) -> pl.DataFrame:
    """Return the forecasts issued for both windows, marked in-sample ones left out.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session`, `horizon` (sessions), `model_key`, `issue`, `decision_at`, `issued_at` (UTC) and
        `value`; a row for each issue, whenever it came.
    """
    columns = [*KEY, "horizon", "model_key", "issue", "decision_at", "issued_at", "value"]
    scope = queries.out_of_sample(range_condition(first_session(context, as_of), as_of))
    return context.lake.collect_query(queries.rows_of(GOLD_FORECASTS, columns, scope), GOLD_FORECASTS)


def read_labels(context: Context, as_of: date) -> pl.DataFrame:
    """Return the valid outcomes of both windows that are known at the as-of's cut.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session` (the signal's), `horizon` (sessions) and `value` (fraction, never null).
    """
    scope, columns = range_condition(first_session(context, as_of), as_of), [*KEY, "horizon", "value"]
    known_at = context.calendar.cutoff_at(as_of)
    outcomes = queries.valid_outcomes(GOLD_LABELS, known_at, columns, where=scope)
    return context.lake.collect_query(outcomes, GOLD_LABELS)


def read_history(context: Context) -> dict[date, dict[str, object]]:
    """Return the verdict records that stand beside the reports, by session."""
    records = (read_record(path) for path in context.home.reports.glob("*.json"))
    return {date.fromisoformat(str(record["as_of"])): record for record in records if "as_of" in record}
