"""Files read by Spark: many of them, large ones, and any that are not written plainly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
import pyarrow as pa
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipelines.base.errors import ContractViolation
from pipelines.io.frames import spark_schema
from pipelines.io.sources.base import INSTANT_COLUMNS, INSTANT_PATTERN, write_instant
from pipelines.io.sources.layout import Layout, is_parquet
from pipelines.io.sources.params import FilesParams
from pipelines.io.sources.stores import reason_of
from pipelines.io.sources.typed_columns import as_text, to_instant, to_session

Origin = tuple[str, datetime | None]
"""Delivery of a file, and when its records arrived where it is the file that says so."""
_ORIGINS = pa.schema([(name, pa.string()) for name in ("_file", "_delivery", "_arrived")])


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Files whose columns are the same: `names` in order, `naive` the instants without a zone."""

    names: Sequence[str]
    naive: frozenset[str] = frozenset()
    files: list[str] = field(default_factory=list)


def read_groups(
    spark: SparkSession,
    groups: Sequence[FileGroup],
    layout: Layout,
    params: FilesParams,
    origins: Mapping[str, Origin],
) -> Iterator[DataFrame]:
    """Yield one frame a group: our columns and ``delivery``, all text.

    Parameters
    ----------
    origins : mapping of file to its delivery and arrival

    Raises
    ------
    ContractViolation
        If a file is no Parquet although its name says so.
    """
    for group in groups:
        table = _scan(spark, group, layout, params)
        placed = _with_origin(spark, table, {file: origins[file] for file in group.files})
        yield _as_sent(placed, group, layout, params)


def _scan(spark: SparkSession, group: FileGroup, layout: Layout, params: FilesParams) -> DataFrame:
    addresses = [_address(file) for file in group.files]
    if not is_parquet(group.files[0]):
        names = [f"column_{position}" for position in range(len(group.names))]
        return spark.read.schema(spark_schema(dict.fromkeys(names, pl.String))).csv(
            addresses,
            header=True,
            sep=params.separator,
            quote='"',
            escape='"',
            multiLine=layout.free_text,
            ignoreLeadingWhiteSpace=not layout.free_text,
            ignoreTrailingWhiteSpace=not layout.free_text,
        )
    # Without it Spark refuses instants in nanoseconds, which is what pandas writes.
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    try:
        return spark.read.parquet(*addresses)
    except (PySparkException, Py4JJavaError) as error:
        what = f"{_culprit(error, group.files)}: not readable as Parquet ({reason_of(error)}); fetch it again"
        raise ContractViolation(layout.kind, "*", what) from error


def _with_origin(spark: SparkSession, table: DataFrame, origins: Mapping[str, Origin]) -> DataFrame:
    """Return the rows with `_delivery` and `_arrived`, the text of their file's arrival."""
    rows = [(file, name, write_instant(at) if at else None) for file, (name, at) in origins.items()]
    if len(rows) == 1:
        _, name, arrived = rows[0]
        arrival = F.lit(arrived).cast("string").alias("_arrived")
        return table.select("*", F.lit(name).alias("_delivery"), arrival)
    files, names, arrivals = (list(values) for values in zip(*rows, strict=True))
    columns = {"_file": _as_spark_says(spark, files), "_delivery": names, "_arrived": arrivals}
    known = spark.createDataFrame(pa.table(columns, schema=_ORIGINS))
    # Spark writes the place of a local file with one slash after the scheme or with three.
    place = F.regexp_replace(F.col("_metadata.file_path"), "^file:/+", "file:/")
    placed = table.select("*", place.alias("_file")).join(F.broadcast(known), on="_file", how="left")
    unknown = F.raise_error(F.concat(F.lit("rows of a file that was not asked for: "), F.col("_file")))
    # Without the place the file's columns stand first again, in their order.
    return placed.withColumn("_delivery", F.coalesce("_delivery", unknown.cast("string"))).drop("_file")


def _as_spark_says(spark: SparkSession, files: Sequence[str]) -> list[str]:
    """Return files' addresses as `_metadata.file_path` holds them: absolute, signs escaped as in a URL."""
    paths = [spark._jvm.org.apache.hadoop.fs.Path(file) for file in files]
    system = paths[0].getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    return [re.sub("^file:/+", "file:/", system.makeQualified(path).toUri().toString()) for path in paths]


def _as_sent(table: DataFrame, group: FileGroup, layout: Layout, params: FilesParams) -> DataFrame:
    """Select our columns as text; all else stays behind."""
    places = layout.locate(group.names, group.files[0])
    columns: list[Column] = []
    for ours in layout.columns:
        text = F.lit(None).cast("string")
        if ours in places:
            theirs = table.columns[places[ours]]
            kind = table.schema[theirs].dataType
            text = _read_column(table[f"`{theirs}`"], kind, ours, params, naive=theirs in group.naive)
        if ours == "received_at":
            text = F.coalesce(F.col("_arrived"), text)
        columns.append(text.alias(ours))
    return table.select(*columns, F.col("_delivery").alias("delivery"))


def _read_column(column: Column, kind: T.DataType, ours: str, params: FilesParams, *, naive: bool) -> Column:
    """Return a column as text: of a date or an instant that could be read, one text."""
    sent = as_text(column, kind)
    if ours == "session":
        day = to_session(column, kind, params.date_formats, params.timezone, naive=naive)
        return F.coalesce(day.cast("string"), sent)
    if ours in INSTANT_COLUMNS:
        instant = to_instant(column, kind, params.timezone, naive=naive)
        return F.coalesce(F.date_format(instant, INSTANT_PATTERN), sent)
    return sent


def _culprit(error: Exception, files: Sequence[str]) -> str:
    """Return the file that Spark's error names, all of them where it names none."""
    named = [file for file in files if file in str(error)]
    return named[0] if named else f"one of {', '.join(files[:5])}"


def _address(file: str) -> str:
    """Return a path as Spark reads it literally: glob characters in a found name are escaped."""
    return "".join(f"\\{sign}" if sign in "{}[]*?" else sign for sign in file)
