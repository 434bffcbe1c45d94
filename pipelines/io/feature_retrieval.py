"""The one as-of read: which vector was known for an entity and a session at an instant.

Training, forecasts, drift, packaging and publication all ask here. Few rows are answered in this process;
many by Feast's historical retrieval, on the distributed engine. Both choose the same versions: of a row's own
session, the newest that its instant admits. A suite on random chains of versions holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from features.views import FeatureView, find_view, names_by_view, primary_view
from pipelines.base.context import Context
from pipelines.base.frames import Frame
from pipelines.io.feature_store import open_feature_store
from pipelines.io.lake_params import LakeParams
from pipelines.tables import queries
from pipelines.tables.contracts import feature_table

INSTANT_COLUMN = "instant"
_ROW = "_row"


def read_features(context: Context, rows: Frame, names: Sequence[str], *, at: str = INSTANT_COLUMN) -> Frame:
    """Return rows with the features that were known at each row's instant.

    Parameters
    ----------
    rows : Frame
        `symbol`, `session` (Date) and the instant, a UTC timestamp, with any further columns; unique by these
        three. A sequence model asks for many sessions at one instant. Without `symbol` a row stands for every
        symbol that has a vector of its session.
    names : sequence of str
        Features of any view.
    at : str
        Column that holds the instant.

    Returns
    -------
    Frame, shape (n_accepted_rows, n_columns + n_features)
        `symbol`, the other columns of the rows, then one a feature; in any order: in this process for
        few rows of this process, distributed otherwise. A row stays only if the newest version of its own
        session that the instant admits is valid in the primary view: neither yesterday's vector nor the one
        before a retraction is ever used. Features of another view are null where that has nothing valid, as
        are unknown values; never NaN.

    Raises
    ------
    KeyError
        If no view holds a name.
    ContractViolation
        If a distributed frame lacks a column.
    """
    columns = [*dict.fromkeys(["symbol", *rows.columns]), *names]
    if isinstance(rows, pl.DataFrame):
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


def read_newest_vectors(context: Context, view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """Return, for each row, the whole version that `read_features` would choose, retracted ones included.

    Parameters
    ----------
    rows : polars.DataFrame
        `symbol`, `session`, `instant`; the caller has bounded them and the versions of their sessions.

    Returns
    -------
    polars.DataFrame
        Columns of the view's gold table, sorted by symbol.
    """
    table = feature_table(view)
    sessions = rows["session"].unique().to_list()
    columns = [name for name in table.columns if name not in {"symbol", "session"}]
    query = queries.versions_of_sessions(table, ["symbol", "session", *columns], sessions)
    versions = context.lake.collect_query(query, table)
    return newest_admitted(rows, versions, INSTANT_COLUMN).select(table.columns).sort("symbol")


def newest_admitted(rows: pl.DataFrame, versions: pl.DataFrame, at: str) -> pl.DataFrame:
    """Return, for each row and symbol, the newest version of the row's session known at its instant.

    Parameters
    ----------
    rows : polars.DataFrame
        `session`, the instant and perhaps `symbol`.
    versions : polars.DataFrame
        `symbol`, `session`, `known_at` and what is wanted of each version; unique by these three.
    """
    on = [name for name in ("symbol", "session") if name in rows.columns]
    known = (
        rows.with_row_index(_ROW).join(versions, on=on, how="inner").filter(pl.col("known_at") <= pl.col(at))
    )
    # A later version hides an earlier one even where it is a retraction: validity is judged afterwards.
    return known.sort("known_at").unique([_ROW, "symbol"], keep="last", maintain_order=True)


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
        joined = valid if joined is None else joined.join(valid.select(*on, *features), on=on, how="left")
    return joined


def _valid_vectors(
    context: Context, view: FeatureView, rows: pl.DataFrame, features: Sequence[str], at: str
) -> pl.DataFrame | None:
    """Return the rows of which a view knows a valid vector, None where its versions are too many."""
    table, sessions = feature_table(view), rows["session"].unique().to_list()
    columns = ["symbol", "session", "known_at", "valid", *features]
    query = queries.versions_of_sessions(table, columns, sessions)
    versions = context.lake.collect_query_if_small(query, table)
    if not isinstance(versions, pl.DataFrame):
        return None
    # Without a symbol each row meets every symbol of its session: 20 sessions of history make 20 such rows.
    per_row = versions.height / max(1, len(sessions)) if "symbol" not in rows.columns else 1.0
    if rows.height * per_row > context.params(LakeParams).local_rows:
        return None
    return newest_admitted(rows, versions, at).filter(pl.col("valid"))
