"""The user's own bars and texts, from Parquet or CSV files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cached_property, reduce
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from features.sessions import SessionCalendar
from pipelines.base.errors import ContractViolation
from pipelines.io.sources.base import ReadRequest, string_schema
from pipelines.io.sources.layout import (
    Layout,
    bars_layout,
    find_files,
    is_parquet,
    read_header,
    texts_layout,
)
from pipelines.io.sources.params import FilesParams, PriceBasis
from pipelines.io.sources.stores import FileStore, open_store
from pipelines.io.sources.typed_columns import (
    as_text,
    instant_text,
    session_text,
    to_instant,
    to_session,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

log = logging.getLogger(__name__)

INSTANTS = ("received_at", "published_at")


class FilesSource:
    """Bars and texts read from files by Spark.

    A row whose `received_at` can be read is selected by it, any other by its session. A text without
    one belongs to the window when it was published after the close before
    `first_session` and not after the close of `last_session`.

    Parameters
    ----------
    params : FilesParams
    """

    name = "files"

    def __init__(self, params: FilesParams) -> None:
        self._params = params
        self._bars = bars_layout(params.columns)
        self._texts = texts_layout(params.text_columns)

    @property
    def price_basis(self) -> PriceBasis:
        return self._params.price_basis

    @property
    def calendar(self) -> str:
        return self._params.calendar

    @property
    def timezone(self) -> str:
        return self._params.timezone

    @cached_property
    def delivers_received_at(self) -> bool:
        """Whether the bars' files have a `received_at` column (all of them do, or it counts as none)."""
        from pyspark.sql import SparkSession

        store = open_store(self._params.bars, SparkSession.getActiveSession())
        files = find_files(store, self._params.bars, self._bars)
        return all("received_at" in self._bars.locate(self._names(store, file), file) for file in files)

    def _names(self, store: FileStore, file: str) -> tuple[str, ...]:
        if is_parquet(file):
            return tuple(store.parquet_columns(file))
        return read_header(store, file, self._params.separator)

    def read_bars(self, spark: SparkSession, request: ReadRequest) -> DataFrame:
        """Return the bars of the window; see `Source.read_bars`.

        Raises
        ------
        ContractViolation
            If a file is missing, empty, truncated, has no header or lacks a required column.
        """
        bars = self._read(spark, self._params.bars, self._bars)
        session = F.col(_read_as("session"))
        by_session = session.between(F.lit(request.first_session), F.lit(request.last_session))
        selected = bars.where(self._selected(request, by_session | session.isNull()))
        return selected.select(*self._bars.columns)

    def read_texts(self, spark: SparkSession, request: ReadRequest) -> DataFrame | None:
        """Return the texts of the window, None when the settings name none; see `Source.read_texts`."""
        if not self._params.texts:
            return None
        texts = self._read(spark, self._params.texts, self._texts)
        calendar = SessionCalendar(self.calendar)
        before = calendar.last_on_or_before(request.first_session - timedelta(days=1))
        last = calendar.last_on_or_before(request.last_session)
        published = F.col(_read_as("published_at"))
        after_last_close = published > F.lit(calendar.close_at(before))
        by_publication = after_last_close & (published <= F.lit(calendar.close_at(last)))
        selected = texts.where(self._selected(request, by_publication | published.isNull()))
        return selected.select(*self._texts.columns)

    def _selected(self, request: ReadRequest, otherwise: Column) -> Column:
        """Return the condition of the window: by arrival where it can be read, else `otherwise`."""
        received = F.col(_read_as("received_at"))
        after = request.received_after or self._midnight_before(request)
        by_receipt = (received > F.lit(after)) & (received <= F.lit(request.received_until))
        return by_receipt | (received.isNull() & otherwise)

    def _midnight_before(self, request: ReadRequest) -> datetime:
        local = datetime.combine(request.first_session, time.min, tzinfo=ZoneInfo(self.timezone))
        return local.astimezone(UTC) - timedelta(microseconds=1)

    def _read(self, spark: SparkSession, place: str, layout: Layout) -> DataFrame:
        store = open_store(place, spark)
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
        table = spark.read.schema(string_schema(names)).csv(
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
        sent = as_text(column, kind)
        if ours == "session":
            day = to_session(column, kind, self._params.date_formats, self.timezone)
            return [session_text(day, sent).alias(ours), day.alias(_read_as(ours))]
        if ours in INSTANTS:
            instant = to_instant(column, kind)
            return [instant_text(instant, sent).alias(ours), instant.alias(_read_as(ours))]
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
