"""Rows of tables for tests: the columns that matter, all others null."""

from __future__ import annotations

from typing import Any

import polars as pl

from pipelines.base.lake import Lake
from pipelines.base.table import TableContract


def rows_of(contract: TableContract, values: dict[str, list[Any]]) -> pl.DataFrame:
    """Return rows of a table with these values, all others null."""
    height = len(next(iter(values.values())))
    columns = {name: values.get(name, [None] * height) for name in contract.schema}
    return pl.DataFrame(columns, schema=dict(contract.schema))


def append(lake: Lake, contract: TableContract, values: dict[str, list[Any]]) -> None:
    """Append rows with these values to a table."""
    lake.append(contract, rows_of(contract, values))
