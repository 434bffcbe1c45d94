"""Pure steps of build_features: from versions of a source's rows to versions of a table's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from features.sessions import SessionCalendar
from pipelines.stages.build_features.built_tables import BuiltTable, nothing_of
from pipelines.stages.build_features.evaluations import evaluate_chains, latest_known, sort_versions
from pipelines.tables.session_grid import SessionGrid


def mark_blocks(
    rows: pl.DataFrame, *, grid: SessionGrid, size: int, lookback: int, wanted: Collection[int] | None
) -> pl.DataFrame:
    """Return each row once for every block that needs it, named in ``block``.

    Parameters
    ----------
    rows : polars.DataFrame
        Any columns with `session`; sessions that `grid` lacks are left out.
    size, lookback : int
        Sessions of a block, and of the look-back of its first session, that one included.
    wanted : collection of int or None
        Blocks to return, None for all.

    Returns
    -------
    polars.DataFrame
        The columns of `rows` and ``block`` (Int64: position of a session over `size`), in any order.
    """
    placed = rows.join(grid.frame.select("session", "position"), on="session", how="inner")
    # A row at position p is read by the sessions p to p + lookback - 1: it goes to all of their blocks.
    last = (pl.col("position") + lookback - 1) // size
    blocks = pl.int_ranges(pl.col("position") // size, last + 1, dtype=pl.Int64).alias("block")
    marked = placed.with_columns(blocks).explode("block").select(*rows.columns, "block")
    return marked if wanted is None else marked.filter(pl.col("block").is_in(sorted(wanted)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What is asked of the exchange wherever a table is built.

    Attributes
    ----------
    grid : SessionGrid
        All sessions; `touched` says which are wanted.
    last : date
        Newest session with bars: a session that has not closed yet has no vector.
    calendar : SessionCalendar
    """

    grid: SessionGrid
    last: date
    calendar: SessionCalendar

    def due(self, first: int, last: int) -> dict[int, datetime]:
        """Return position and cut of the sessions to build among positions `first` to `last`."""
        span = self.grid.between(first, last)
        due = span.filter((pl.col("session") <= self.last) & self.grid.wanted())
        return dict(due.select("position", "cutoff_at").rows())


def build_block(
    rows: pl.DataFrame, *, table: BuiltTable, exchange: Exchange, block_sessions: int
) -> pl.DataFrame:
    """Return the versions of a table's rows for one block's touched sessions.

    Parameters
    ----------
    rows : polars.DataFrame
        The view's `source_columns` and ``block``: all versions of its sessions and the look-back before.

    Returns
    -------
    polars.DataFrame
        As of `build_sessions`.
    """
    block = rows.item(0, "block")
    wanted = exchange.due(block * block_sessions, (block + 1) * block_sessions - 1)
    placed = exchange.grid.placed(rows.drop("block"))
    return build_sessions(sort_versions(placed, table.view.version_key), wanted, table, exchange)


def build_sessions(
    rows: pl.DataFrame, wanted: Mapping[int, datetime], table: BuiltTable, exchange: Exchange
) -> pl.DataFrame:
    """Return the versions of a table's rows for some sessions.

    Parameters
    ----------
    rows : polars.DataFrame
        Placed versions of the source's rows, from `sort_versions`, of the sessions and the look-back before;
        more may be among them.
    wanted : mapping of position to cut
        The sessions.

    Returns
    -------
    polars.DataFrame
        The table's columns, a row a version, instants in UTC; unknown values are null, never NaN.
    """
    grid = exchange.grid

    def evaluate(known: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
        values = table.evaluate(known, grid, exchange.calendar, first, last)
        # Of the same rows that the values were computed from, so no value is known before all its inputs.
        inputs = latest_known(known, grid, first, last, lookback=table.lookback)
        return values.join(inputs, on="position", how="inner", maintain_order="left")

    evaluated = evaluate_chains(
        rows,
        key=table.view.version_key,
        touched=wanted,
        grid=grid,
        lookback=table.lookback,
        evaluate=evaluate,
    )
    if evaluated is None:
        return nothing_of(table.contract)
    return table.versions(evaluated, grid).select(table.contract.columns)


def cut_sessions(positions: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Return first and last position of runs that hold all of some ascending positions.

    Parameters
    ----------
    size : int
        Sessions that a run reaches over at most; runs are about equally long.
    """
    if not positions:
        return []
    count = -(-(positions[-1] - positions[0] + 1) // size)
    length = -(-(positions[-1] - positions[0] + 1) // count)
    runs: dict[int, list[int]] = {}
    for position in positions:
        runs.setdefault((position - positions[0]) // length, []).append(position)
    return [(run[0], run[-1]) for run in runs.values()]
