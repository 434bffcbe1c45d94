"""Delta tables of a folder, read in this process by delta-rs: no JVM, and SQL by DataFusion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from pipelines.base.table import TableContract

_ARROW_TYPES: dict[Any, str] = {
    pl.String: "Utf8",
    pl.Float64: "Float64",
    pl.Int32: "Int32",
    pl.Int64: "Int64",
    pl.Boolean: "Boolean",
    pl.Date: "Date32",
}
_INSTANT = 'Timestamp(Microsecond, Some("UTC"))'


class DeltaFolder:
    """Reads the tables below one folder.

    Parameters
    ----------
    root : Path
        Holds table ``layer.noun`` at ``layer/noun``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def version(self, contract: TableContract) -> int | None:
        """Return the table's latest Delta version, None where there is no table yet."""
        table = self._open(contract)
        return None if table is None else table.version()

    def collect_query(self, query: str, contracts: Sequence[TableContract]) -> pl.DataFrame:
        """Answer a query over the tables of `contracts`, each called by its `alias`.

        An absent table is empty; columns that a contract names and its table lacks are null.
        """
        session, parts = QueryBuilder(), []
        for contract in contracts:
            table = self._open(contract)
            present: set[str] = set()
            source = " where false"
            if table is not None:
                present = {field.name for field in table.schema().fields}
                source = f" from stored_{contract.alias}"
                session = session.register(f"stored_{contract.alias}", table)
            columns = [
                name if name in present else f"arrow_cast(null, '{_arrow_type(dtype)}') as {name}"
                for name, dtype in contract.schema.items()
            ]
            parts.append(f"{contract.alias} as (select {', '.join(columns)}{source})")
        return _to_polars(session.execute(f"with {', '.join(parts)} {query}").read_all())

    def changed(self, contract: TableContract, column: str, *, since: int) -> set[Any]:
        """Return the values of `column` among the rows that changed after version `since`."""
        table = self._open(contract)
        if table is None or table.version() <= since:
            return set()
        feed = table.load_cdf(starting_version=since + 1, columns=[column])
        return set(_to_polars(feed.read_all()).get_column(column))

    def last_written(self, contract: TableContract) -> int:
        """Return the rows that the table's last commit has written, as Delta counted them."""
        entry = DeltaTable(str(self._place(contract))).history(1)[0]
        return int(entry.get("operationMetrics", {}).get("numOutputRows", 0))

    def has_commit(self, contract: TableContract, version: int) -> bool:
        """Tell whether the log still holds the entry of a commit."""
        return (self._place(contract) / "_delta_log" / f"{version:020d}.json").is_file()

    def _place(self, contract: TableContract) -> Path:
        return self.root / contract.name.replace(".", "/")

    def _open(self, contract: TableContract) -> DeltaTable | None:
        place = str(self._place(contract))
        return DeltaTable(place) if DeltaTable.is_deltatable(place) else None


def _arrow_type(dtype: Any) -> str:
    return _INSTANT if isinstance(dtype, pl.Datetime) else _ARROW_TYPES[dtype]


def _to_polars(table: Any) -> pl.DataFrame:
    """Return an Arrow table; a literal without a time zone is an instant in UTC, as in Spark."""
    frame: pl.DataFrame = pl.from_arrow(pa.table(table))  # type: ignore[assignment]
    naive = cs.datetime(time_zone=None).dt.replace_time_zone("UTC").dt.cast_time_unit("us")
    return frame.with_columns(naive)
