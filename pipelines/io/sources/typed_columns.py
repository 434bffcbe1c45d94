"""Spark expressions that turn columns of any type into text without losing anything.

`pipelines.io.sources.plain_columns` says the same of frames in this process; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

NANOSECONDS_FROM = 10**17
"""Integers from here on (1973 in nanoseconds) are instants in nanoseconds, as pandas writes them."""

_ISO_START = r"^\d{4}-\d{2}-\d{2}"
_ISO_INSTANT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"
_WITHOUT_ZONE = r"^\d{4}-\d{2}-\d{2}([T ][0-9:. ]*)?$"


def as_text(column: Column, kind: T.DataType) -> Column:
    """Return the column as text: doubles in their shortest exact form, blanks and NaN as null."""
    text = column.cast("string")
    if isinstance(kind, T.FloatType | T.DoubleType):
        return F.when(~F.isnan(column), text)
    return F.when(F.trim(text) != "", text)


def to_session(
    column: Column, kind: T.DataType, formats: Sequence[str], timezone: str, *, naive: bool = False
) -> Column:
    """Return the exchange date of a column of any type, null where it cannot be read.

    A date stays; an instant at midnight UTC is that date, any other is the date on the exchange's
    clock; text is tried with each of `formats` and then as an ISO instant's leading date. With
    `naive`, nanoseconds are counted on the exchange's own clock.
    """
    if isinstance(kind, T.DateType):
        return column
    if isinstance(kind, T.TimestampNTZType):
        return F.to_date(column)
    if isinstance(kind, T.TimestampType):
        return _date_of_instant(column, timezone)
    text = column.cast("string")
    parsed = [F.to_date(F.try_to_timestamp(text, F.lit(pattern))) for pattern in formats]
    leading = F.to_date(F.try_to_timestamp(F.substring(text, 1, 10), F.lit("yyyy-MM-dd")))
    written = F.coalesce(*parsed, F.when(text.rlike(_ISO_INSTANT), leading))
    if isinstance(kind, T.LongType):
        instant = _of_nanoseconds(column)
        day = F.to_date(instant) if naive else _date_of_instant(instant, timezone)
        return F.when(column >= NANOSECONDS_FROM, day).otherwise(written)
    return written


def to_instant(column: Column, kind: T.DataType, timezone: str, *, naive: bool = False) -> Column:
    """Return the instant in a column of any type, null where it cannot be read.

    What says no zone of its own is the time on the clocks of `timezone`; `naive` says that of nanoseconds.
    """
    if isinstance(kind, T.TimestampType):
        return column
    if isinstance(kind, T.TimestampNTZType | T.DateType):
        return F.to_utc_timestamp(column.cast("timestamp"), timezone)
    if isinstance(kind, T.LongType):
        instant = _of_nanoseconds(column)
        read = F.to_utc_timestamp(instant, timezone) if naive else instant
        return F.when(column >= NANOSECONDS_FROM, read)
    text = column.cast("string")
    instant = F.when(text.rlike(_ISO_START), F.try_to_timestamp(text))
    return F.when(text.rlike(_WITHOUT_ZONE), F.to_utc_timestamp(instant, timezone)).otherwise(instant)


def _of_nanoseconds(column: Column) -> Column:
    # Whole division: as a double, today's nanoseconds would be up to 128 off.
    return F.timestamp_micros(F.call_function("div", column, F.lit(1000)))


def _date_of_instant(column: Column, timezone: str) -> Column:
    """Return the UTC date of a UTC midnight, else the date on the exchange's clock."""
    midnight = F.date_trunc("day", column) == column
    return F.when(midnight, F.to_date(column)).otherwise(F.to_date(F.from_utc_timestamp(column, timezone)))
