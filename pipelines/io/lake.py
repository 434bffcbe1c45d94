"""The Delta tables: read by contract, append, replace what a run owns, follow the change feed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from pipelines.base.frames import Changes, Step
from pipelines.base.table import TableContract
from pipelines.io.delta_changes import merge_difference, read_change_feed
from pipelines.io.delta_folder import TABLE_PROPERTIES, TXN_VERSION, DeltaFolder
from pipelines.io.frames import (
    Frame,
    conform,
    local_difference,
    map_batches_in_workers,
    map_groups_in_workers,
    persisted,
    spark_difference,
    spark_schema,
    spark_type,
    to_arrow,
)
from pipelines.io.table_parts import ComparedParts, count_changes
from pipelines.tables import queries

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
MOST_MERGED_ROWS = 100_000
"""Where more rows than this differ, a whole table is written anew: that costs less than to merge them."""


class Lake:
    """Delta tables under one root.

    Parameters
    ----------
    root : str
        A folder or any Hadoop path.
    session : callable
        Returns the Spark session; called at the first use, so that opening a lake costs nothing.
    local_rows : int
        Work that its caller bounds to a few sessions is done in this process up to so many rows, and
        the tables of a folder are then read without a JVM; 0 sends everything to Spark.

    Notes
    -----
    Queries that are handed over as text must mean the same to Spark and to DataFusion, which answers
    them where the root is a folder: plain ANSI SQL, names without quotes. Table ``layer.noun`` is
    called ``layer_noun`` there.
    """

    def __init__(self, root: str, session: Callable[[], SparkSession], *, local_rows: int = 0) -> None:
        self.root = root.rstrip("/")
        self.local_rows = local_rows
        self._session = session
        self._known: set[str] = set()
        self._small: dict[str, tuple[int | None, pl.DataFrame]] = {}
        self._folder = None
        if local_rows and ":" not in self.root:
            self._folder = DeltaFolder(Path(self.root).absolute())
            self.root = f"file:{self._folder.root}"

    @cached_property
    def spark(self) -> SparkSession:
        """The Spark session, started when first needed."""
        return self._session()

    @property
    def reads_here(self) -> bool:
        """Whether small questions are answered in this process, without the distributed engine."""
        return self._folder is not None

    def start(self) -> None:
        """Start the Spark session now."""
        _ = self.spark

    def path(self, name: str) -> str:
        """Return the place of table `name` (``layer.noun``)."""
        return f"{self.root}/{name.replace('.', '/')}"

    def exists(self, contract: TableContract) -> bool:
        """Tell whether the table has been created; tables are never dropped."""
        if contract.name not in self._known and self.version(contract) is not None:
            self._known.add(contract.name)
        return contract.name in self._known

    def version(self, contract: TableContract) -> int | None:
        """Return the table's latest Delta version, None where there is no table yet."""
        if self._folder is not None:
            return self._folder.version(contract)
        log = self.spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(
            self.spark._jsparkSession, self.path(contract.name)
        )
        nothing = self.spark._jvm.scala.Option.empty()
        version = int(log.update(False, nothing, nothing).version())
        return version if version >= 0 else None

    def versions(self, contracts: Sequence[TableContract]) -> dict[str, int | None]:
        """Return the latest version of each table."""
        return {contract.name: self.version(contract) for contract in contracts}

    def ensure(self, contract: TableContract) -> None:
        """Create the table, empty and with its change feed on, if there is none."""
        if self.exists(contract):
            return
        schema = spark_schema(contract.schema)
        if self._folder is not None:
            self._folder.ensure(contract, to_arrow_schema(schema, timezone="UTC"))
            return
        builder = DeltaTable.createIfNotExists(self.spark).location(self.path(contract.name))
        builder = builder.addColumns(schema)
        for key, value in TABLE_PROPERTIES.items():
            builder = builder.property(key, value)
        if contract.partition_by:
            builder = builder.partitionedBy(contract.partition_by)
        builder.execute()

    def scan_table(self, contract: TableContract, *, at_version: int | None = None) -> DataFrame:
        """Return the table's columns in contract order; an absent table reads as empty.

        Columns that the contract names and the table lacks (a feature added since) read as null.
        """
        if not self.exists(contract):
            return self.spark.createDataFrame([], spark_schema(contract.schema))
        reader = self.spark.read.format("delta")
        if at_version is not None:
            reader = reader.option("versionAsOf", at_version)
        table = reader.load(self.path(contract.name))
        if table.columns == list(contract.columns):
            return table
        present = set(table.columns)
        return table.select(
            *(
                F.col(name) if name in present else F.lit(None).cast(spark_type(dtype)).alias(name)
                for name, dtype in contract.schema.items()
            )
        )

    def scan_query(self, query: str, *contracts: TableContract) -> DataFrame:
        """Return the rows of a query over the tables of `contracts`, as a Spark frame."""
        for contract in contracts:
            self.scan_table(contract).createOrReplaceTempView(contract.alias)
        return self.spark.sql(query)

    def collect_query(self, query: str, *contracts: TableContract) -> pl.DataFrame:
        """Collect the rows of a query, which the caller has bounded."""
        if self._folder is not None:
            return self._folder.collect_query(query, contracts)
        return self.collect(self.scan_query(query, *contracts))

    def collect_query_if_small(self, query: str, *contracts: TableContract) -> Frame:
        """Return the rows of a query: in this process if they are few, as a Spark frame otherwise."""
        if not self.local_rows:
            return self.scan_query(query, *contracts)
        few = self.collect_query(queries.limited(query, self.local_rows + 1), *contracts)
        return few if few.height <= self.local_rows else self.scan_query(query, *contracts)

    def collect_table(self, contract: TableContract) -> pl.DataFrame:
        """Collect a table of few rows; the frame is kept while the table's version stays."""
        version = self.version(contract)
        kept = self._small.get(contract.name)
        if kept is None or kept[0] != version:
            rows = self.collect_query(queries.rows_of(contract, contract.columns, "true"), contract)
            kept = self._small[contract.name] = (version, rows)
        return kept[1]

    def changed(self, contract: TableContract, column: str, *, since: int | None) -> set[Any] | None:
        """Return the values of `column` in rows that changed after version `since`; None: all may have."""
        rows = self.changed_rows(contract, [column], since=since)
        return None if rows is None else {row[0] for row in rows}

    def changed_rows(
        self, contract: TableContract, columns: Sequence[str], *, since: int | None
    ) -> set[tuple[Any, ...]] | None:
        """Return the different values of some columns among the rows that changed after version `since`.

        None where only a full comparison helps: without a version, or after the log or the files of the
        change feed were cleaned up.
        """
        latest = self.version(contract)
        if since is None or latest is None:
            return None
        if latest <= since:
            return set()
        if self._folder is not None:
            return self._folder.changed_rows(contract, columns, since=since)
        return read_change_feed(self.spark, self.path(contract.name), columns, since=since)

    def append(self, contract: TableContract, frame: Frame, *, txn: str | None = None) -> bool:
        """Append rows in one commit and tell whether there was one.

        Parameters
        ----------
        txn : str, optional
            Identity of the write. A second write under the same identity is skipped by Delta.

        Notes
        -----
        Rows of this process go into a folder without a JVM. No rows are no commit.
        """
        self.ensure(contract)
        if self._folder is not None and isinstance(frame, pl.DataFrame):
            rows = to_arrow(frame, spark_schema(contract.schema))
            return bool(rows.num_rows) and self._folder.append(contract, [rows], rows.schema, txn=txn)
        before = self.version(contract) if txn is not None else None
        rows = self.distribute(frame, contract.schema).select(*contract.columns)
        # One file a partition: every small file is one more to open for whoever reads the table later.
        laid_out = rows.repartition(contract.partition_by) if contract.partition_by else rows.coalesce(1)
        writer = laid_out.write.format("delta").mode("append").option("mergeSchema", "true")
        if txn is not None:
            writer = writer.option("txnAppId", txn).option("txnVersion", TXN_VERSION)
        writer.save(self.path(contract.name))
        return txn is None or self.version(contract) != before

    def append_parts(
        self, contract: TableContract, parts: Iterable[pl.DataFrame], *, txn: str | None = None
    ) -> bool:
        """Append rows that come a part at a time, in one commit; an error among them leaves none."""
        if self._folder is None:
            return self.append(contract, pl.concat(parts), txn=txn)
        self.ensure(contract)
        target = spark_schema(contract.schema)
        tables = (to_arrow(part, target) for part in parts)
        return self._folder.append(contract, tables, to_arrow_schema(target, timezone="UTC"), txn=txn)

    def replace(self, contract: TableContract, frame: Frame, *, scope: str) -> Changes:
        """Make the rows of `scope` equal to `frame`, writing only what differs.

        Parameters
        ----------
        frame : Frame
            All rows that the scope should hold, unique by the contract's key. Few rows of this
            process are compared here, as long as the existing ones are few too.
        scope : str
            SQL condition over the table's columns that delimits what the run owns.

        Returns
        -------
        Changes
            Zero everywhere when nothing differs; then nothing is committed.
        """
        if isinstance(frame, pl.DataFrame):
            here = self._existing(contract, contract.columns, scope)
            if isinstance(here, pl.DataFrame):
                changed = local_difference(contract, frame.select(contract.columns), here)
                self.ensure(contract)
                counts = changed.group_by("_change").len().rows()
                return self._write_difference(contract, changed, count_changes(counts))
        wanted = self.distribute(frame, contract.schema).select(*contract.columns)
        if not self.exists(contract):
            return Changes(inserted=self._append_counted(contract, wanted))
        existing = self.scan_table(contract).where(scope)
        if existing.isEmpty():
            return Changes(inserted=self._append_some(contract, wanted))
        with persisted(spark_difference(contract, wanted, existing)) as difference:
            counts = difference.groupBy("_change").count().collect()
            return self._write_difference(contract, difference, count_changes(counts))

    def replace_parts(
        self, contract: TableContract, parts: Iterable[tuple[pl.DataFrame, str]], *, whole: bool = True
    ) -> Changes:
        """Make rows equal to parts, each with the condition of what it owns, in one commit.

        Parameters
        ----------
        whole : bool
            Whether the parts together own the whole table. Where much of it differs it is written anew.
        """
        if not self.collect_query(queries.count_rows(contract), contract).item():
            written = 0
            filled = (frame.select(contract.columns) for frame, _ in parts if frame.height)
            first = next(filled, None)
            if first is None:
                self.ensure(contract)
                return Changes()

            def counted() -> Iterator[pl.DataFrame]:
                nonlocal written
                for frame in chain([first], filled):
                    written += frame.height
                    yield frame

            self.append_parts(contract, counted())
            return Changes(inserted=written)
        coming = iter(parts)
        compared = ComparedParts(
            contract,
            lambda scope: self.collect_query(queries.rows_of(contract, contract.columns, scope), contract),
        )
        folder = self._folder if whole else None
        if compared.compare(coming, most=None if folder is None else MOST_MERGED_ROWS) or folder is None:
            return self._write_difference(contract, compared.difference(), compared.changes)
        self._overwrite(folder, contract, compared.all_rows(coming))
        return compared.changes

    def _overwrite(self, folder: DeltaFolder, contract: TableContract, parts: Iterable[pl.DataFrame]) -> None:
        """Write a folder's table anew, in one commit; an error among the parts leaves it as it stood."""
        self.ensure(contract)
        target = spark_schema(contract.schema)
        tables = (to_arrow(part, target) for part in parts)
        folder.overwrite(contract, tables, to_arrow_schema(target, timezone="UTC"))

    def _existing(self, contract: TableContract, columns: Sequence[str], scope: str) -> Frame:
        return self.collect_query_if_small(queries.rows_of(contract, columns, scope), contract)

    def _append_some(self, contract: TableContract, rows: DataFrame) -> int:
        """Append rows in one commit, if there are any, and return how many."""
        with persisted(rows):
            return 0 if rows.isEmpty() else self._append_counted(contract, rows)

    def _append_counted(self, contract: TableContract, rows: DataFrame) -> int:
        """Append rows in one commit and return how many Delta has counted."""
        self.append(contract, rows)
        if self._folder is not None:
            return self._folder.last_written(contract)
        last = DeltaTable.forPath(self.spark, self.path(contract.name)).history(1).select("operationMetrics")
        return int(last.collect()[0][0].get("numOutputRows", 0))

    def _write_difference(self, contract: TableContract, difference: Frame, changes: Changes) -> Changes:
        """Write rows marked in ``_change`` in one commit."""
        if changes.total == changes.inserted > 0:
            self.append(contract, difference.drop("_change"))
        elif changes.total:
            self._merge(contract, self.distribute(difference, {**contract.schema, "_change": pl.String}))
        return changes

    def _merge(self, contract: TableContract, difference: DataFrame) -> None:
        merge_difference(self.spark, self.path(contract.name), contract, difference)

    def insert_absent(self, contract: TableContract, frame: Frame, *, scope: str = "true") -> int:
        """Append the rows whose key the table does not hold yet; return how many.

        `frame` and `scope` as in `replace`.
        """
        keys = list(contract.key)
        if isinstance(frame, pl.DataFrame):
            here = self._existing(contract, keys, scope)
            if isinstance(here, pl.DataFrame):
                absent = frame.select(contract.columns).join(here, on=keys, how="anti")
                if absent.height:
                    self.append(contract, absent)
                return absent.height
        wanted = self.distribute(frame, contract.schema).select(*contract.columns)
        if not self.exists(contract):
            return self._append_some(contract, wanted)
        existing = self.scan_table(contract).where(scope).select(*keys)
        absent_rows = wanted.join(existing, on=keys, how="left_anti").select(*contract.columns)
        return self._append_some(contract, absent_rows)

    def distribute(self, frame: Frame, schema: Mapping[str, Any]) -> DataFrame:
        """Return a frame as a Spark frame; one of this process takes on the given schema."""
        if not isinstance(frame, pl.DataFrame):
            return frame
        target = spark_schema(schema)
        return self.spark.createDataFrame(to_arrow(frame, target), schema=target)

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Collect a frame whose size the caller has bounded; one that is here already is handed back."""
        return frame if isinstance(frame, pl.DataFrame) else pl.from_arrow(frame.toArrow())  # type: ignore[return-value]

    def map_groups(self, frame: Frame, by: Sequence[str], step: Step, schema: Mapping[str, Any]) -> Frame:
        """Run a Polars step on every group of `frame`: here, or for a Spark frame in its workers.

        A group is handed over whole, so it must fit a worker's memory. Both ways give the same rows.
        """
        if isinstance(frame, pl.DataFrame):
            done = [
                conform(step(group), schema) for _, group in frame.group_by(list(by), maintain_order=True)
            ]
            return pl.concat(done) if done else pl.DataFrame(schema=dict(schema))
        return map_groups_in_workers(frame, by, step, schema)

    def map_batches(self, frame: Frame, step: Step, schema: Mapping[str, Any]) -> Frame:
        """Run a row-wise Polars step on batches of `frame`, where `map_groups` would."""
        if isinstance(frame, pl.DataFrame):
            return conform(step(frame), schema)
        return map_batches_in_workers(frame, step, schema)


def run_concurrently(*calls: Callable[[], Answer]) -> list[Answer]:
    """Run calls that wait for Spark side by side and return their answers in order.

    A short query keeps one core busy with planning; a second one costs next to nothing beside it. If one
    call fails, the others still come to their end, and the first error is raised.
    """
    with ThreadPoolExecutor(max_workers=len(calls)) as workers:
        return [running.result() for running in [workers.submit(call) for call in calls]]
