"""Do once what nearly every stage does in Spark, so that a JVM archives the classes of it.

Usage: python -m scripts.rehearsal ARCHIVE SCRATCH
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from pipelines.app.settings import load_settings
from pipelines.io.spark import build_session


def rehearse(spark: SparkSession, table: str) -> None:
    """Create, append, merge and read one small Delta table."""
    rows = spark.range(200).selectExpr("id", "id % 7 as part", "date'2024-01-02' as day", "id / 3 as value")
    for mode in ("error", "append"):
        writer = rows.write.format("delta").mode(mode).partitionBy("part").option("mergeSchema", "true")
        writer.save(table)
    target = DeltaTable.forPath(spark, table).alias("t")
    merge = target.merge(rows.alias("s"), "t.id = s.id and t.part = 3")
    merge.whenMatchedUpdate(set={"value": "s.value"}).execute()
    read = spark.read.format("delta").load(table)
    placed = read.selectExpr("*", "row_number() over (partition by part order by value) as place")
    placed.where("place = 1").toArrow()
    read.join(rows.select("part").distinct(), on="part", how="left_anti").groupBy("part").count().collect()


def main(archive: str, scratch: str) -> None:
    """Run the rehearsal in a session whose JVM writes the archive when it ends."""
    params = load_settings()[0].spark
    options = f"{params.java_options} -XX:ArchiveClassesAtExit={archive} -Xlog:disable"
    spark = build_session(replace(params, java_options=options), warehouse=Path(scratch))
    rehearse(spark, f"{scratch}/table")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
