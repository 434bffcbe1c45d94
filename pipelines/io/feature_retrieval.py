"""The one as-of read: which vector was known for an entity and a session at an instant.

Training, forecasts, drift, packaging and publication all ask here. Few rows are answered in this process;
many by Feast's historical retrieval, on the distributed engine. Both choose the same versions: of a row's own
session, the newest that its instant admits. A suite on random chains of versions holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
from polars._typing import JoinStrategy

from feature_repo.definitions import view_ttl
from features.views import FeatureView, find_view, names_by_view, primary_view, view_of
from pipelines.base.context import Context
from pipelines.base.frames import Frame
from pipelines.io.feature_store import open_feature_store
from pipelines.io.lake_params import LakeParams
from pipelines.tables import queries
from pipelines.tables.contracts import feature_table

INSTANT_COLUMN = "instant"
_ROW = "_row"
_OF_VERSION = {"event_timestamp": "_event_at", "known_at": "_known_at", "valid": "_valid"}


def read_features(context: Context, rows: Frame, names: Sequence[str], *, at: str = INSTANT_COLUMN) -> Frame:
    """Return rows with the features that were known at each row's instant.

    Parameters
    ----------
    rows : Frame
        `symbol`, `session` (Date) and the instant, a UTC timestamp, with any further columns; unique by these
        three. A sequence model asks for many sessions at one instant. Without `symbol` a row stands for every
        symbol that has a vector of its session; distributed rows must name it.
    names : sequence of str
        Features of any view.
    at : str
        Column that holds the instant.

    Returns
    -------
    Frame, shape (n_accepted_rows, n_columns + n_features)
        `symbol`, the other columns of the rows, then one a feature; in any order: in this process for
        few rows of this process, distributed otherwise. A row stays only if the newest version of its own
        session that the instant admits is valid in the primary view, and in every other asked for that has a
        row for each row of its source: neither yesterday's vector nor the one before a retraction is ever
        used, and none that is not built yet. Features of a view that speaks at times, such as of texts, are
        null where that has nothing valid, as are unknown values; never NaN.

    Raises
    ------
    KeyError
        If no view holds a name.
    ContractViolation
        If a distributed frame lacks a column.
    """
    columns = [*dict.fromkeys(["symbol", *rows.columns]), *names]
    if isinstance(rows, pl.DataFrame):
        if rows.is_empty():
            types = {name: view_of(name).value_type for name in names}
            empty: dict[str, Any] = {"symbol": pl.String, **types, **rows.schema}
            return pl.DataFrame(schema={name: empty[name] for name in columns})
        joined = _join_here(context, rows, names_by_view(names), at)
        if joined is not None:
            return joined.select(columns)
        spread = context.lake.distribute(rows, rows.schema)
        if "symbol" not in rows.columns:
            table, sessions = feature_table(primary_view()), rows["session"].unique().to_list()
            query = queries.entities_of_sessions(table, "symbol", sessions)
            spread = spread.join(context.lake.scan_query(query, table), on="session", how="inner")
        rows = spread
    joined_there: Frame = open_feature_store(context).point_in_time_frame(rows, names, at=at).select(columns)
    return joined_there


def read_newest_vectors(context: Context, view: FeatureView, as_of: date, instant: datetime) -> pl.DataFrame:
    """Return each entity's newest session known at an instant, in the version `read_features` would choose.

    Parameters
    ----------
    as_of : date
        Later sessions are left out, and those before the feature views' ttl: what is older than a retrieval
        would find need not be published, and the table's past is not read.
    instant : datetime
        In UTC.

    Returns
    -------
    polars.DataFrame
        Columns of the view's gold table, sorted by entity: one row each, a retraction included.
    """
    table = feature_table(view)
    first = as_of - view_ttl(context.calendar)
    query = queries.versions_of_newest_sessions(table, view.entity, first, as_of, instant)
    versions = context.lake.collect_query(query, table)
    if versions.is_empty():
        return pl.DataFrame(schema=dict(table.schema))
    newest = versions.sort("known_at").unique(view.entity, keep="last", maintain_order=True)
    return newest.select(table.columns).sort(view.entity)


def newest_admitted(rows: pl.DataFrame, versions: pl.DataFrame, at: str) -> pl.DataFrame:
    """Return, for each row and symbol, the newest version of the row's session known at its instant.

    Parameters
    ----------
    rows : polars.DataFrame
        `session`, the instant and perhaps `symbol`.
    versions : polars.DataFrame
        `symbol`, `session`, `_event_at`, `_known_at` and what is wanted of each version; unique by symbol,
        session and `_known_at`.
    """
    on = [name for name in ("symbol", "session") if name in rows.columns]
    met = rows.with_row_index(_ROW).join(versions, on=on, how="inner")
    known = met.filter((pl.col("_known_at") <= pl.col(at)) & (pl.col("_event_at") <= pl.col(at)))
    # A later version hides an earlier one even where it is a retraction: validity is judged afterwards.
    return known.sort("_known_at").unique([_ROW, "symbol"], keep="last", maintain_order=True)


def _join_here(
    context: Context, rows: pl.DataFrame, wanted: Mapping[str, Sequence[str]], at: str
) -> pl.DataFrame | None:
    """Return the joined rows, None where they are too many for this process."""
    joined: pl.DataFrame | None = None
    for name, features in wanted.items():
        valid = _valid_vectors(context, find_view(name), rows, features, at)
        if valid is None:
            return None
        on = [_ROW, "symbol"]
        how: JoinStrategy = "inner" if find_view(name).is_required else "left"
        joined = valid if joined is None else joined.join(valid.select(*on, *features), on=on, how=how)
    return joined


def _valid_vectors(
    context: Context, view: FeatureView, rows: pl.DataFrame, features: Sequence[str], at: str
) -> pl.DataFrame | None:
    """Return the rows of which a view knows a valid vector, None where its versions are too many."""
    table, sessions = feature_table(view), rows["session"].drop_nulls().unique().to_list()
    columns = ["symbol", "session", *_OF_VERSION, *features]
    query = queries.versions_of_sessions(table, columns, sessions)
    versions = context.lake.collect_query_if_small(query, table)
    if not isinstance(versions, pl.DataFrame):
        return None
    # Without a symbol each row meets every symbol of its session: 20 sessions of history make 20 such rows.
    per_row = versions.height / max(1, len(sessions)) if "symbol" not in rows.columns else 1.0
    if rows.height * per_row > context.params(LakeParams).local_rows:
        return None
    # The rows may have such columns of their own, which must not pass for the version's.
    return newest_admitted(rows, versions.rename(_OF_VERSION), at).filter(pl.col("_valid"))
