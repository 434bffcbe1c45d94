"""Frames between Polars, Arrow and Spark: schemas, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from pipelines.base.frames import Step
from pipelines.base.table import TableContract

Frame: TypeAlias = pl.DataFrame | DataFrame
"""`pipelines.base.frames.Frame`, with the engine's own type."""
AnyFrame = TypeVar("AnyFrame")

_SPARK_TYPES: dict[Any, T.DataType] = {
    pl.String: T.StringType(),
    pl.Float32: T.FloatType(),
    pl.Float64: T.DoubleType(),
    pl.Int32: T.IntegerType(),
    pl.Int64: T.LongType(),
    pl.Boolean: T.BooleanType(),
    pl.Date: T.DateType(),
}


def spark_type(dtype: Any) -> T.DataType:
    """Return the Spark type of a Polars dtype; every Datetime is an instant in UTC."""
    if isinstance(dtype, pl.Datetime):
        return T.TimestampType()
    return _SPARK_TYPES[dtype]


def spark_schema(schema: Mapping[str, Any]) -> T.StructType:
    """Return the Spark schema of a mapping of column to Polars dtype; all columns nullable."""
    return T.StructType([T.StructField(name, spark_type(dtype)) for name, dtype in schema.items()])


def to_arrow(frame: pl.DataFrame, target: T.StructType) -> pa.Table:
    """Return a Polars frame as the Arrow table that Spark expects of a schema."""
    return frame.select(target.fieldNames()).to_arrow().cast(to_arrow_schema(target, timezone="UTC"))


def conform(frame: pl.DataFrame, schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return the columns of a schema in its types and order, as `to_arrow` does for Spark.

    Raises
    ------
    polars.exceptions.PolarsError
        If a column is missing, or holds a value that its type cannot.
    """
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


@contextmanager
def persisted(frame: AnyFrame) -> Iterator[AnyFrame]:
    """Keep a Spark frame's rows while they are used more than once."""
    if isinstance(frame, DataFrame):
        frame.persist()
    try:
        yield frame
    finally:
        if isinstance(frame, DataFrame):
            frame.unpersist()


def reshape(frame: Frame, query: str) -> Frame:
    """Return the result of a SQL query in which ``{rows}`` stands for the frame.

    Parameters
    ----------
    frame : Frame
    query : str
        From `pipelines.tables.queries`; it must mean the same to Spark and to Polars.

    Returns
    -------
    Frame
        Where the frame is: in this process, or not computed yet in Spark.
    """
    if isinstance(frame, pl.DataFrame):
        return pl.SQLContext(rows=frame, eager=True).execute(query.format(rows="rows"))
    return frame.sparkSession.sql(query, rows=frame)


def collect_rows(frame: Frame) -> list[dict[str, Any]]:
    """Return the rows of a small result as dictionaries."""
    if isinstance(frame, pl.DataFrame):
        return frame.to_dicts()
    return [row.asDict() for row in frame.collect()]


def spark_difference(contract: TableContract, wanted: DataFrame, existing: DataFrame) -> DataFrame:
    """Return the rows to insert, update or delete, marked in ``_change``.

    Parameters
    ----------
    wanted, existing : pyspark.sql.DataFrame
        The contract's columns; both unique by its key. Nulls, and NaN, are equal to one another.
    """
    keys = list(contract.key)
    rest = [name for name in contract.columns if name not in contract.key]
    new = wanted.select(*keys, F.struct(*rest).alias("_new"))
    old = existing.select(*keys, F.struct(*rest).alias("_old"))
    change = (
        F.when(F.col("_old").isNull(), "insert")
        .when(F.col("_new").isNull(), "delete")
        .when(~F.col("_new").eqNullSafe(F.col("_old")), "update")
    )
    marked = new.join(old, on=keys, how="full_outer").withColumn("_change", change)
    kept = F.coalesce("_new", "_old")
    return marked.where("_change IS NOT NULL").select(
        *keys, *(kept[name].alias(name) for name in rest), "_change"
    )


def local_difference(contract: TableContract, wanted: pl.DataFrame, existing: pl.DataFrame) -> pl.DataFrame:
    """Return the rows to insert, update or delete, marked in ``_change``.

    Parameters
    ----------
    wanted, existing : polars.DataFrame
        The contract's columns; both unique by its key. Nulls, and NaN, are equal to one another.
    """
    keys, columns = list(contract.key), list(contract.columns)
    places = existing.select(keys).with_row_index("_place")
    found = wanted.select(keys).join(places, on=keys, how="left", nulls_equal=True, maintain_order="left")
    place = found["_place"]
    same = place.is_not_null()
    # A column at a time: a join on hundreds of columns would hold every row as one key.
    for name in columns:
        if name not in keys:
            same &= wanted[name].eq_missing(existing[name].gather(place))
    change = pl.when(place.is_not_null()).then(pl.lit("update")).otherwise(pl.lit("insert"))
    changed = wanted.select(*columns, change.alias("_change")).filter(~same)
    gone = existing.join(wanted, on=keys, how="anti", nulls_equal=True).with_columns(_change=pl.lit("delete"))
    return pl.concat([changed, gone.select(changed.columns)])


def map_groups_in_workers(
    frame: DataFrame, by: Sequence[str], step: Step, schema: Mapping[str, Any]
) -> DataFrame:
    """Run a Polars step on every group of a Spark frame, in its workers."""
    target = spark_schema(schema)

    def run(table: pa.Table) -> pa.Table:
        return to_arrow(step(pl.from_arrow(table)), target)  # type: ignore[arg-type]

    return frame.groupBy(*by).applyInArrow(run, target)


def map_batches_in_workers(frame: DataFrame, step: Step, schema: Mapping[str, Any]) -> DataFrame:
    """Run a row-wise Polars step on batches of a Spark frame, in its workers."""
    target = spark_schema(schema)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from to_arrow(step(pl.from_arrow(batch)), target).to_batches()  # type: ignore[arg-type]

    return frame.mapInArrow(run, target)
