"""Delta tables of a folder, read and extended in this process by delta-rs: no JVM, and SQL by DataFusion."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl
import polars.selectors as cs
import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    QueryBuilder,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)

from pipelines.base.ahead import made_ahead
from pipelines.base.table import TableContract

log = logging.getLogger(__name__)

TXN_VERSION = 1
"""Version of every write's identity: identities are names, so no write is the second of its own."""
TABLE_PROPERTIES = {
    "delta.enableChangeDataFeed": "true",
    "delta.checkpointInterval": "10",
    "delta.logRetentionDuration": "interval 3650 days",
}
"""Of every table. Whoever opens one reads its log from the last checkpoint on, and delta-rs writes one in a
hundred commits only, unless told. Each checkpoint takes away what of the log is older than 30 days, unless
told: for how long it is kept in the end, `maintain` says."""

_ARROW_TYPES: dict[Any, str] = {
    pl.String: "Utf8",
    pl.Float32: "Float32",
    pl.Float64: "Float64",
    pl.Int32: "Int32",
    pl.Int64: "Int64",
    pl.Boolean: "Boolean",
    pl.Date: "Date32",
}
_INSTANT = 'Timestamp(Microsecond, Some("UTC"))'


class DeltaFolder:
    """Reads the tables below one folder, and appends to them.

    Parameters
    ----------
    root : Path
        Holds table ``layer.noun`` at ``layer/noun``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._opened: dict[str, DeltaTable] = {}

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

    def ensure(self, contract: TableContract, schema: pa.Schema) -> None:
        """Create the table, empty and with its change feed on, if there is none."""
        DeltaTable.create(
            str(self._place(contract)),
            Schema.from_arrow(schema),
            mode="ignore",
            partition_by=contract.partition_by,
            configuration=TABLE_PROPERTIES,
        )

    def append(
        self, contract: TableContract, parts: Iterable[pa.Table], schema: pa.Schema, *, txn: str | None = None
    ) -> bool:
        """Append rows to an existing table in one commit and tell whether there was one.

        A second write under the same `txn` is no commit, whichever engine made the first: Spark calls it
        ``txnAppId``. What `parts` raises is raised, and nothing is appended.
        """
        said = [] if txn is None else [Transaction(txn, TXN_VERSION)]
        if txn is not None and DeltaTable(str(self._place(contract))).transaction_version(txn) is not None:
            return False
        self._write(contract, parts, schema, mode="append", said=said)
        return True

    def overwrite(self, contract: TableContract, parts: Iterable[pa.Table], schema: pa.Schema) -> None:
        """Replace all rows of an existing table in one commit; what `parts` raises leaves it as it stood."""
        self._write(contract, parts, schema, mode="overwrite", said=[])

    def _write(
        self,
        contract: TableContract,
        parts: Iterable[pa.Table],
        schema: pa.Schema,
        *,
        mode: Literal["append", "overwrite"],
        said: list[Transaction],
    ) -> None:
        raised: list[Exception] = []
        try:
            write_deltalake(
                str(self._place(contract)),
                pa.RecordBatchReader.from_batches(schema, _batches(parts, raised)),
                mode=mode,
                schema_mode="merge",
                writer_properties=_writer_properties(contract),
                commit_properties=CommitProperties(app_transactions=said),
            )
        except Exception:
            if raised:
                raise raised[0] from raised[0].__cause__
            raise

    def changed_rows(
        self, contract: TableContract, columns: Sequence[str], *, since: int
    ) -> set[tuple[Any, ...]] | None:
        """Return the different values of some columns among the rows that changed after version `since`.

        None where the feed does not reach back so far: its log was cleaned up, or its files were.
        """
        table = self._open(contract)
        if table is None or table.version() <= since:
            return set()
        if not self.has_commit(contract, since + 1):
            return None
        try:
            feed = table.load_cdf(starting_version=since + 1, columns=list(columns)).read_all()
        except Exception as error:  # delta-rs has no type of its own for a file that is gone
            if "not found" not in str(error):
                raise
            log.info("the change feed of %s is gone from version %s on: %s", contract.name, since + 1, error)
            return None
        return set(_to_polars(feed).select(columns).unique().rows())

    def last_written(self, contract: TableContract) -> int:
        """Return the rows that the table's last commit has written, as its writer counted them."""
        metrics = DeltaTable(str(self._place(contract))).history(1)[0].get("operationMetrics", {})
        return int(metrics.get("numOutputRows", metrics.get("num_added_rows", 0)))

    def has_commit(self, contract: TableContract, version: int) -> bool:
        """Tell whether the log still holds the entry of a commit."""
        return (self._place(contract) / "_delta_log" / f"{version:020d}.json").is_file()

    def _place(self, contract: TableContract) -> Path:
        return self.root / contract.name.replace(".", "/")

    def _open(self, contract: TableContract) -> DeltaTable | None:
        """Return a table as it is now; one that was opened before reads what its log has gained since."""
        place = str(self._place(contract))
        table = self._opened.get(place)
        if table is not None:
            table.update_incremental()
            return table
        if not DeltaTable.is_deltatable(place):
            return None
        self._opened[place] = DeltaTable(place)
        return self._opened[place]


def _writer_properties(contract: TableContract) -> WriterProperties:
    """Return how files are written: no dictionary of numbers that hardly repeat, which costs and gains none.

    Measured on 647,110 rows of 95 doubles: 3.4 s of processor time and 314 MB for 5.6 s and 378 MB.
    """
    plain = ColumnProperties(dictionary_enabled=False)
    numbers = [name for name, dtype in contract.schema.items() if dtype in (pl.Float32, pl.Float64)]
    return WriterProperties(compression="ZSTD", column_properties=dict.fromkeys(numbers, plain))


def _batches(parts: Iterable[pa.Table], raised: list[Exception]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of all parts.

    They are made in another thread: what makes them may ask a table, which delta-rs refuses within the one
    that writes. An error among them is kept, since delta-rs tells its text alone.
    """
    try:
        for part in made_ahead(parts):
            yield from part.to_batches()
    except Exception as error:
        raised.append(error)
        raise


def _arrow_type(dtype: Any) -> str:
    return _INSTANT if isinstance(dtype, pl.Datetime) else _ARROW_TYPES[dtype]


def _to_polars(table: Any) -> pl.DataFrame:
    """Return an Arrow table; a literal without a time zone is an instant in UTC, as in Spark."""
    frame: pl.DataFrame = pl.from_arrow(pa.table(table))  # type: ignore[assignment]
    naive = cs.datetime(time_zone=None).dt.replace_time_zone("UTC").dt.cast_time_unit("us")
    return frame.with_columns(naive)
