"""Jumps of prices that look like a split, and whether anything has explained them."""

from __future__ import annotations

import polars as pl

from pipelines.base.context import Context
from pipelines.tables import queries
from pipelines.tables.contracts import SILVER_ACTIONS

JUMP = "jump"
"""Kind of the rows of `silver.actions`, and of the acceptance by which a person takes a jump for a move."""


def read_jumps(context: Context) -> pl.DataFrame:
    """Return the newest version of each jump: `source`, `symbol`, `session`, `value`, `valid`, `known_at`.

    A row a (source, symbol, session), sorted by session and symbol. `value` is the close by the close before,
    in one unit; `valid` is true while nothing explains it. A move as large as a split is rare: they are few.
    """
    columns = ["source", "symbol", "session", "value", "valid", "known_at"]
    if not context.lake.exists(SILVER_ACTIONS):
        return pl.DataFrame(schema={name: SILVER_ACTIONS.schema[name] for name in columns})
    query = queries.rows_of(SILVER_ACTIONS, columns, queries.equals("kind", JUMP))
    rows = context.lake.collect_query(query, SILVER_ACTIONS).sort("known_at")
    return rows.unique(["source", "symbol", "session"], keep="last").sort("session", "symbol")
