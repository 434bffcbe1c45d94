"""The Delta tables: read by contract, append, replace what a run owns, follow the change feed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
import pyarrow as pa
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipelines.contracts import TableContract
from pipelines.io.frames import (
    Changes,
    local_difference,
    spark_difference,
    spark_schema,
    spark_type,
    to_arrow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Step = Callable[[pl.DataFrame], pl.DataFrame]
Answer = TypeVar("Answer")


class Lake:
    """Delta tables under one root.

    Parameters
    ----------
    root : str
        A folder or any Hadoop path.
    session : callable
        Returns the Spark session; called at the first use, so that opening a lake costs nothing.
    local_rows : int
        Work that its caller bounds to a few sessions is done in this process up to so many rows;
        0 sends everything to the workers.
    """

    def __init__(self, root: str, session: Callable[[], SparkSession], *, local_rows: int = 0) -> None:
        self.root = root.rstrip("/")
        self.local_rows = local_rows
        self._session = session
        self._known: set[str] = set()
        self._small: dict[str, tuple[int | None, pl.DataFrame]] = {}

    @cached_property
    def spark(self) -> SparkSession:
        """The Spark session, started when first needed."""
        return self._session()

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
        builder = (
            DeltaTable.createIfNotExists(self.spark)
            .location(self.path(contract.name))
            .addColumns(spark_schema(contract.schema))
            .property("delta.enableChangeDataFeed", "true")
        )
        if contract.partition_by:
            builder = builder.partitionedBy(contract.partition_by)
        builder.execute()

    def read(self, contract: TableContract, *, at_version: int | None = None) -> DataFrame:
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

    def read_small(self, contract: TableContract) -> pl.DataFrame:
        """Collect a table of few rows; the frame is kept while the table's version stands."""
        version = self.version(contract)
        kept = self._small.get(contract.name)
        if kept is None or kept[0] != version:
            kept = self._small[contract.name] = (version, self.to_polars(self.read(contract)))
        return kept[1]

    def changes_since(self, contract: TableContract, version: int | None) -> DataFrame | None:
        """Return the rows that changed after `version`, None where only a full comparison helps.

        The frame has the contract's columns and Delta's ``_change_type`` and ``_commit_version``.
        """
        latest = self.version(contract)
        if version is None or latest is None or not self._feed_reaches(contract, version):
            return None
        if latest <= version:
            return self.spark.createDataFrame([], self._feed_schema(contract))
        return (
            self.spark.read.format("delta")
            .option("readChangeFeed", "true")
            .option("startingVersion", version + 1)
            .load(self.path(contract.name))
            .select(*contract.columns, "_change_type", "_commit_version")
        )

    def _feed_schema(self, contract: TableContract) -> T.StructType:
        fields = spark_schema(contract.schema).fields
        return T.StructType(
            [
                *fields,
                T.StructField("_change_type", T.StringType()),
                T.StructField("_commit_version", T.LongType()),
            ]
        )

    def _feed_reaches(self, contract: TableContract, version: int) -> bool:
        """Tell whether every commit after `version` still has its log entry."""
        table = self.path(contract.name)
        first = self.spark._jvm.org.apache.hadoop.fs.Path(f"{table}/_delta_log/{version + 1:020d}.json")
        latest = self.version(contract)
        if latest is None or latest <= version:
            return True
        return bool(
            first.getFileSystem(self.spark._jsparkSession.sessionState().newHadoopConf()).exists(first)
        )

    def append(self, contract: TableContract, frame: DataFrame, *, txn: str | None = None) -> bool:
        """Append rows in one commit and tell whether there was one.

        Parameters
        ----------
        txn : str, optional
            Identity of the write. A second write under the same identity is skipped by Delta.
        """
        self.ensure(contract)
        before = self.version(contract) if txn is not None else None
        writer = self._laid_out(contract, frame).write.format("delta").mode("append")
        writer = writer.option("mergeSchema", "true")
        if txn is not None:
            writer = writer.option("txnAppId", txn).option("txnVersion", 1)
        writer.save(self.path(contract.name))
        return txn is None or self.version(contract) != before

    def replace(
        self, contract: TableContract, frame: DataFrame, *, scope: str, bounded: bool = False
    ) -> Changes:
        """Make the rows of `scope` equal to `frame`, writing only what differs.

        Parameters
        ----------
        frame : DataFrame
            All rows that should stand in the scope, unique by the contract's key.
        scope : str
            SQL condition over the table's columns that delimits what the run owns.
        bounded : bool
            The scope is a few sessions: up to `local_rows` rows are compared in this process.

        Returns
        -------
        Changes
            Zero everywhere when nothing differs; then nothing is committed.
        """
        wanted = frame.select(*contract.columns)
        if not self.exists(contract):
            return Changes(inserted=self._append_counted(contract, wanted))
        standing = self.read(contract).where(scope)
        if bounded:
            here = at_once(partial(self._collect_small, wanted), partial(self._collect_small, standing))
            if here[0] is not None and here[1] is not None:
                return self._write_difference(contract, local_difference(contract, here[0], here[1]))
        if standing.isEmpty():
            return Changes(inserted=self._append_some(contract, wanted))
        return self._apply_difference(contract, wanted, standing)

    def _append_some(self, contract: TableContract, rows: DataFrame) -> int:
        """Append rows in one commit, if there are any, and return how many."""
        rows = rows.persist()
        try:
            return 0 if rows.isEmpty() else self._append_counted(contract, rows)
        finally:
            rows.unpersist()

    def _append_counted(self, contract: TableContract, rows: DataFrame) -> int:
        """Append rows in one commit and return how many Delta has counted."""
        self.append(contract, rows)
        last = DeltaTable.forPath(self.spark, self.path(contract.name)).history(1).select("operationMetrics")
        return int(last.collect()[0][0].get("numOutputRows", 0))

    def _apply_difference(self, contract: TableContract, wanted: DataFrame, standing: DataFrame) -> Changes:
        difference = spark_difference(contract, wanted, standing).persist()
        try:
            counts = {row["_change"]: row["count"] for row in difference.groupBy("_change").count().collect()}
            changes = Changes(
                inserted=counts.get("insert", 0),
                updated=counts.get("update", 0),
                deleted=counts.get("delete", 0),
            )
            if changes.total == changes.inserted > 0:
                self.append(contract, difference.drop("_change"))
            elif changes.total:
                self._merge(contract, difference)
            return changes
        finally:
            difference.unpersist()

    def _collect_small(self, frame: DataFrame) -> pl.DataFrame | None:
        """Return the rows if they are few, None if they are more than `local_rows`."""
        if not self.local_rows:
            return None
        rows = self.to_polars(frame.limit(self.local_rows + 1))
        return rows if rows.height <= self.local_rows else None

    def _write_difference(self, contract: TableContract, difference: pl.DataFrame) -> Changes:
        counts = dict(difference.group_by("_change").len().rows())
        changes = Changes(
            inserted=counts.get("insert", 0),
            updated=counts.get("update", 0),
            deleted=counts.get("delete", 0),
        )
        if changes.total:
            rows = self.from_polars(difference, {**contract.schema, "_change": pl.String})
            if changes.total == changes.inserted:
                self.append(contract, rows.drop("_change"))
            else:
                self._merge(contract, rows)
        return changes

    def _merge(self, contract: TableContract, difference: DataFrame) -> None:
        values = {name: f"s.`{name}`" for name in contract.columns}
        target = DeltaTable.forPath(self.spark, self.path(contract.name)).alias("t")
        (
            target.merge(difference.alias("s"), self._match(contract, difference))
            .whenMatchedDelete("s._change = 'delete'")
            .whenMatchedUpdate("s._change = 'update'", set=values)
            .whenNotMatchedInsert("s._change = 'insert'", values=values)
            .execute()
        )

    def _match(self, contract: TableContract, difference: DataFrame) -> str:
        keys = [f"t.`{key}` = s.`{key}`" for key in contract.key]
        if contract.partition_by and contract.partition_by not in contract.key:
            touched = difference.select(contract.partition_by).distinct().collect()
            values = ", ".join(f"'{row[0]}'" for row in touched)
            keys.insert(0, f"t.`{contract.partition_by}` IN ({values})")
        return " AND ".join(keys)

    def insert_absent(
        self, contract: TableContract, frame: DataFrame, *, scope: str = "true", bounded: bool = False
    ) -> int:
        """Append the rows whose key does not stand in the table yet; return how many.

        `scope` and `bounded` as in `replace`.
        """
        wanted, keys = frame.select(*contract.columns), list(contract.key)
        if not self.exists(contract):
            return self._append_some(contract, wanted)
        standing = self.read(contract).where(scope).select(*keys)
        if bounded:
            here = at_once(partial(self._collect_small, wanted), partial(self._collect_small, standing))
            if here[0] is not None and here[1] is not None:
                absent = here[0].join(here[1], on=keys, how="anti")
                if absent.height:
                    self.append(contract, self.from_polars(absent, contract.schema))
                return absent.height
        absent_rows = wanted.join(standing, on=keys, how="left_anti").select(*contract.columns)
        return self._append_some(contract, absent_rows)

    def _laid_out(self, contract: TableContract, frame: DataFrame) -> DataFrame:
        columns = frame.select(*contract.columns)
        return columns.repartition(contract.partition_by) if contract.partition_by else columns.coalesce(1)

    def from_polars(self, frame: pl.DataFrame, schema: Mapping[str, Any]) -> DataFrame:
        """Return a driver-side Polars frame as a Spark frame of the given schema."""
        target = spark_schema(schema)
        return self.spark.createDataFrame(to_arrow(frame, target), schema=target)

    def to_polars(self, frame: DataFrame) -> pl.DataFrame:
        """Collect a frame whose size the caller has bounded."""
        collected: pl.DataFrame = pl.from_arrow(frame.toArrow())  # type: ignore[assignment]
        return collected

    def map_groups(
        self,
        frame: DataFrame,
        by: Sequence[str],
        step: Step,
        schema: Mapping[str, Any],
        *,
        bounded: bool = False,
    ) -> DataFrame:
        """Run a Polars step on every group of `frame` in the Spark workers.

        A group is handed over whole, so it must fit a worker's memory. With `bounded` the caller
        says that the rows are those of a few sessions: up to `local_rows` of them are worked on in
        this process, which saves starting workers and gives the same rows.
        """
        target = spark_schema(schema)
        here = self._collect_small(frame) if bounded else None
        if here is not None:
            done = [
                step(group).select(target.fieldNames())
                for _, group in here.group_by(list(by), maintain_order=True)
            ]
            return self.from_polars(pl.concat(done) if done else pl.DataFrame(schema=dict(schema)), schema)

        def run(table: pa.Table) -> pa.Table:
            return to_arrow(step(pl.from_arrow(table)), target)  # type: ignore[arg-type]

        return frame.groupBy(*by).applyInArrow(run, target)

    def map_batches(
        self, frame: DataFrame, step: Step, schema: Mapping[str, Any], *, bounded: bool = False
    ) -> DataFrame:
        """Run a row-wise Polars step on batches of `frame`; `bounded` as in `map_groups`."""
        target = spark_schema(schema)
        here = self._collect_small(frame) if bounded else None
        if here is not None:
            return self.from_polars(step(here), schema)

        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield from to_arrow(step(pl.from_arrow(batch)), target).to_batches()  # type: ignore[arg-type]

        return frame.mapInArrow(run, target)


def at_once(*calls: Callable[[], Answer]) -> list[Answer]:
    """Run calls that wait for Spark side by side and return their answers in order.

    A short query keeps one core busy with planning; a second one costs next to nothing beside it. If one
    call fails, the others still come to their end, and the first error is raised.
    """
    with ThreadPoolExecutor(max_workers=len(calls)) as workers:
        return [asked.result() for asked in [workers.submit(call) for call in calls]]


def decode_versions(text: str | None) -> dict[str, int]:
    """Return the table versions that a stage run recorded as JSON."""
    versions: dict[str, int] = json.loads(text) if text else {}
    return versions
