"""Spark expressions that turn columns of any type into text without losing anything."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

NANOSECONDS_FROM = 10**17
"""Integers from here on (1973 in nanoseconds) are instants in nanoseconds, as pandas writes them."""

_ISO_START = r"^\d{4}-\d{2}-\d{2}"
_ISO_INSTANT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"


def as_text(column: Column, kind: T.DataType) -> Column:
    """Return the column as text: doubles in their shortest exact form, blanks and NaN as null."""
    text = column.cast("string")
    if isinstance(kind, T.FloatType | T.DoubleType):
        return F.when(~F.isnan(column), text)
    return F.when(F.trim(text) != "", text)


def to_session(column: Column, kind: T.DataType, formats: Sequence[str], timezone: str) -> Column:
    """Return the exchange date of a column of any type, null where it cannot be read.

    A date stays; an instant at midnight UTC is that date, any other is the date on the exchange's
    clock; text is tried with each of `formats` and then as an ISO instant's leading date.
    """
    if isinstance(kind, T.DateType):
        return column
    if isinstance(kind, T.TimestampNTZType):
        return F.to_date(column)
    if isinstance(kind, T.TimestampType):
        return _date_of_instant(column, timezone)
    text = column.cast("string")
    parsed = [F.to_date(F.try_to_timestamp(text, F.lit(pattern))) for pattern in formats]
    written = F.coalesce(*parsed, F.when(text.rlike(_ISO_INSTANT), F.to_date(F.substring(text, 1, 10))))
    if isinstance(kind, T.LongType):
        instant = F.timestamp_micros(F.floor(column / 1000).cast("long"))
        return F.when(column >= NANOSECONDS_FROM, _date_of_instant(instant, timezone)).otherwise(written)
    return written


def to_instant(column: Column, kind: T.DataType) -> Column:
    """Return the instant in a column of any type, null where it cannot be read; no zone means UTC."""
    if isinstance(kind, T.TimestampType | T.TimestampNTZType | T.DateType):
        return column.cast("timestamp")
    if isinstance(kind, T.LongType):
        return F.when(column >= NANOSECONDS_FROM, F.timestamp_micros(F.floor(column / 1000).cast("long")))
    text = column.cast("string")
    return F.when(text.rlike(_ISO_START), F.try_to_timestamp(text))


def _date_of_instant(column: Column, timezone: str) -> Column:
    """Return the UTC date of a UTC midnight, else the date on the exchange's clock."""
    midnight = F.date_trunc("day", column) == column
    return F.when(midnight, F.to_date(column)).otherwise(F.to_date(F.from_utc_timestamp(column, timezone)))
