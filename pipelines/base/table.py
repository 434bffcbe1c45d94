"""What one table holds, as everything that reads or writes it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

Dtype = pl.DataType | type[pl.DataType]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableContract:
    """What one table holds.

    Attributes
    ----------
    name : str
        ``layer.noun``.
    schema : mapping of column to Polars dtype
    key : tuple of str
        Columns that identify one row.
    partition_by : str or None
        Column by whose value the files are laid out.
    """

    name: str
    schema: Mapping[str, Dtype]
    key: tuple[str, ...]
    partition_by: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in their declared order."""
        return tuple(self.schema)

    @property
    def alias(self) -> str:
        """What the table is called in a query: ``layer_noun``."""
        return self.name.replace(".", "_")
