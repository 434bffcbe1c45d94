"""What Delta changes through Spark: a table's change feed, and a difference merged into it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from pipelines.base.table import TableContract

log = logging.getLogger(__name__)

_GONE = ("FILE_NOT_EXIST", "FileNotFoundException", "BEYOND_DELETED_FILE_RETENTION_DURATION")
"""How Delta says that files are cleaned up, or may be by now: it judges by age before it looks."""


def read_change_feed(
    spark: SparkSession, path: str, columns: Sequence[str], *, since: int
) -> set[tuple[Any, ...]] | None:
    """Return the different values of some columns among the rows that changed after version `since`.

    None after the log or the files of the change feed were cleaned up.
    """
    entry = spark._jvm.org.apache.hadoop.fs.Path(f"{path}/_delta_log/{since + 1:020d}.json")
    files = entry.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    if not files.exists(entry):
        return None
    feed = spark.read.format("delta").option("readChangeFeed", "true")
    try:
        rows = feed.option("startingVersion", since + 1).load(path)
        return {tuple(row) for row in rows.select(*columns).distinct().collect()}
    except (Py4JJavaError, PySparkException) as error:
        if not any(sign in str(error) for sign in _GONE):
            raise
        log.info("the change feed of %s is gone from version %s on", path, since + 1)
        return None


def merge_difference(spark: SparkSession, path: str, contract: TableContract, difference: DataFrame) -> None:
    """Merge rows marked in ``_change`` (insert, update, delete) into a table, in one commit."""
    matches = [f"t.`{key}` = s.`{key}`" for key in contract.key]
    if contract.partition_by and contract.partition_by not in contract.key:
        # Named first, so that Delta opens the files of these partitions alone.
        touched = difference.select(contract.partition_by).distinct().collect()
        named = ", ".join(f"'{row[0]}'" for row in touched)
        matches.insert(0, f"t.`{contract.partition_by}` IN ({named})")
    values = {name: f"s.`{name}`" for name in contract.columns}
    target = DeltaTable.forPath(spark, path).alias("t")
    merge = target.merge(difference.alias("s"), " AND ".join(matches))
    (
        merge.withSchemaEvolution()  # the column of a new feature is added
        .whenMatchedDelete("s._change = 'delete'")
        .whenMatchedUpdate("s._change = 'update'", set=values)
        .whenNotMatchedInsert("s._change = 'insert'", values=values)
        .execute()
    )
