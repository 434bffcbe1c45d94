"""The user's own bars and texts, from Parquet or CSV files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial, reduce

import polars as pl
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from features.sessions import SessionCalendar
from pipelines.base.errors import ContractViolation
from pipelines.base.lake import Lake
from pipelines.io.frames import spark_schema
from pipelines.io.sources.base import INSTANT_PATTERN, Provision, ReadRequest
from pipelines.io.sources.layout import (
    Layout,
    bars_layout,
    find_files,
    is_parquet,
    read_header,
    texts_layout,
)
from pipelines.io.sources.params import FilesParams
from pipelines.io.sources.stores import FileStore, open_store
from pipelines.io.sources.typed_columns import (
    as_text,
    to_instant,
    to_session,
)

log = logging.getLogger(__name__)

INSTANTS = ("received_at", "published_at")


class FilesSource:
    """Bars and texts read from files by Spark.

    A row whose `received_at` can be read is selected by it, any other by its session. A text without
    one belongs to the window when it was published after the close before
    `first_session` and not after the close of `last_session`.

    Parameters
    ----------
    name : str
    params : FilesParams
    lake : Lake
        Its engine reads the files.
    """

    def __init__(self, name: str, params: FilesParams, lake: Lake) -> None:
        self.name = name
        self._params, self._lake = params, lake
        self._layouts = {
            "bars": bars_layout(params.columns, name),
            "texts": texts_layout(params.text_columns, name),
        }
        self._places = {"bars": params.bars, "texts": params.texts}
        self._stamped: dict[str, bool] = {}

    @property
    def provides(self) -> dict[str, Provision]:
        """The kinds for which the settings name files."""
        said = partial(Provision, calendar=self._params.calendar, timezone=self._params.timezone)
        declared = {"bars": said(price_basis=self._params.price_basis), "texts": said()}
        return {kind: provision for kind, provision in declared.items() if self._places[kind]}

    def delivers_received_at(self, kind: str) -> bool:
        """Tell whether the files have a `received_at` column (all of them do, or it counts as none)."""
        if kind not in self._stamped:
            layout, store = self._layouts[kind], self._store(self._places[kind])
            files = find_files(store, self._places[kind], layout)
            self._stamped[kind] = all(
                "received_at" in layout.locate(self._names(store, file), file) for file in files
            )
        return self._stamped[kind]

    def _store(self, place: str) -> FileStore:
        return open_store(place, lambda: self._lake.spark)

    def _names(self, store: FileStore, file: str) -> tuple[str, ...]:
        if is_parquet(file):
            return tuple(store.parquet_columns(file))
        return read_header(store, file, self._params.separator)

    def read(self, kind: str, request: ReadRequest) -> DataFrame | None:
        """Return the records of the window, None of a kind for which no files are named; see `Source.read`.

        Raises
        ------
        ContractViolation
            If a file is missing, empty, truncated, has no header or lacks a required column.
        """
        if kind not in self.provides:
            return None
        layout = self._layouts[kind]
        records = self._read(self._lake.spark, self._places[kind], layout)
        if kind == "bars":
            session = F.col(_read_as("session"))
            dated = session.isNull() | session.between(
                F.lit(request.first_session), F.lit(request.last_session)
            )
        else:
            dated = self._between_closes(request)
        received, after = F.col(_read_as("received_at")), request.arrivals_after(self._params.timezone)
        by_receipt = (received > F.lit(after)) & (received <= F.lit(request.received_until))
        # By arrival where it can be read; a row that cannot be dated belongs to no window and always comes.
        return records.where(by_receipt | (received.isNull() & dated)).select(*layout.columns)

    def _between_closes(self, request: ReadRequest) -> Column:
        calendar = SessionCalendar(self._params.calendar)
        before = calendar.last_on_or_before(request.first_session - timedelta(days=1))
        last = calendar.last_on_or_before(request.last_session)
        published = F.col(_read_as("published_at"))
        after_last_close = published > F.lit(calendar.close_at(before))
        return (after_last_close & (published <= F.lit(calendar.close_at(last)))) | published.isNull()

    def _read(self, spark: SparkSession, place: str, layout: Layout) -> DataFrame:
        store = self._store(place)
        files = find_files(store, place, layout)
        log.info("reading %s from %d files at %s", layout.kind, len(files), place)
        if is_parquet(files[0]):
            return self._read_parquet(spark, files, layout)
        by_header: dict[tuple[str, ...], list[str]] = {}
        for file in files:
            by_header.setdefault(read_header(store, file, self._params.separator), []).append(file)
        frames = [self._read_csv(spark, header, same, layout) for header, same in by_header.items()]
        return reduce(lambda one, other: one.unionByName(other), frames)

    def _read_csv(
        self, spark: SparkSession, header: tuple[str, ...], files: list[str], layout: Layout
    ) -> DataFrame:
        """Read files that share one header; Spark would match others by position, not by name."""
        places = layout.locate(header, files[0])
        names = tuple(f"column_{position}" for position in range(len(header)))
        trimmed = layout.kind == "bars"
        table = spark.read.schema(spark_schema(dict.fromkeys(names, pl.String))).csv(
            [_address(file) for file in files],
            header=True,
            sep=self._params.separator,
            quote='"',
            escape='"',
            multiLine=layout.kind == "texts",
            ignoreLeadingWhiteSpace=trimmed,
            ignoreTrailingWhiteSpace=trimmed,
        )
        return self._as_sent(table, {ours: names[position] for ours, position in places.items()}, layout)

    def _read_parquet(self, spark: SparkSession, files: list[str], layout: Layout) -> DataFrame:
        # Without it Spark refuses instants in nanoseconds, which is what pandas writes.
        spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
        try:
            table = spark.read.option("mergeSchema", len(files) > 1).parquet(*map(_address, files))
            empty = table.isEmpty()
        except (PySparkException, Py4JJavaError) as error:
            what = f"{_culprit(error, files)}: not readable as Parquet ({_reason(error)}); fetch it again"
            raise ContractViolation(layout.kind, "*", what) from error
        if empty:
            raise ContractViolation(layout.kind, "*", f"{files[0]}: has no rows; ask for it again")
        places = layout.locate(table.columns, files[0])
        return self._as_sent(
            table, {ours: table.columns[position] for ours, position in places.items()}, layout
        )

    def _as_sent(self, table: DataFrame, theirs: dict[str, str], layout: Layout) -> DataFrame:
        """Select our columns as text, and the dates and instants also as read; all else stays behind."""
        selected: list[Column] = []
        for ours in layout.columns:
            if ours in theirs:
                kind = table.schema[theirs[ours]].dataType
                selected += self._columns_of(table[f"`{theirs[ours]}`"], kind, ours)
            else:
                selected += self._columns_of(F.lit(None).cast("string"), T.StringType(), ours)
        return table.select(*selected)

    def _columns_of(self, column: Column, kind: T.DataType, ours: str) -> list[Column]:
        """Return a column as text, and of a date or an instant the twin as read; one text for one instant."""
        sent = as_text(column, kind)
        if ours == "session":
            day = to_session(column, kind, self._params.date_formats, self._params.timezone)
            return [F.coalesce(day.cast("string"), sent).alias(ours), day.alias(_read_as(ours))]
        if ours in INSTANTS:
            instant = to_instant(column, kind)
            written = F.date_format(instant, INSTANT_PATTERN)
            return [F.coalesce(written, sent).alias(ours), instant.alias(_read_as(ours))]
        return [sent.alias(ours)]


def _read_as(name: str) -> str:
    """Return the name of the typed twin of a column of text."""
    return f"_{name}"


def _culprit(error: Exception, files: Sequence[str]) -> str:
    """Return the file that Spark's error names, all of them where it names none."""
    named = [file for file in files if file in str(error)]
    return named[0] if named else f"one of {', '.join(files[:5])}"


def _reason(error: Exception) -> str:
    """Return the innermost cause that the JVM gives, else the first line."""
    lines = str(error).splitlines()
    causes = [line.strip() for line in lines if line.startswith("Caused by: ")]
    return causes[-1].removeprefix("Caused by: ") if causes else lines[0]


def _address(file: str) -> str:
    """Return a path as Spark reads it literally: glob characters in a found name are escaped."""
    return "".join(f"\\{sign}" if sign in "{}[]*?" else sign for sign in file)
