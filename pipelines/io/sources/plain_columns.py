"""The same text as `pipelines.io.sources.typed_columns` gives, of columns that are read in this process.

Only what both ways are known to write alike is read here; anything else is left to Spark: patterns other than
year, month and day, instants before 1970 or after 2037, decimals and 32-bit numbers, doubles that Java writes
with an exponent below 10⁻³, and whatever is not a plain ISO date or instant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from pipelines.io.sources.base import INSTANT_FORMAT, NotPlain
from pipelines.io.sources.typed_columns import NANOSECONDS_FROM

FIRST_YEAR, LAST_YEAR = 1970, 2037
_SMALLEST, _LARGEST, _WITHOUT_EXPONENT = 1e-3, 1e15, 1e7
_TOKENS = {"yyyy": ("%Y", r"\d{4}"), "MM": ("%m", r"\d{2}"), "dd": ("%d", r"\d{2}")}
_PATTERN = re.compile(r"(yyyy|MM|dd)([-./ _]?)(yyyy|MM|dd)([-./ _]?)(yyyy|MM|dd)")
_DATE = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_ZONE = r"(?:Z|[+-](?:0\d|1[0-7]):[0-5]\d)"
_INSTANT = rf"^({_DATE})(?:[T ]({_CLOCK})(:[0-5]\d)?(\.\d{{1,6}})?({_ZONE})?)?$"


def as_text(column: pl.Series) -> pl.Series:
    """Return a column as text: doubles in their shortest exact form, blanks and NaN as null.

    Raises
    ------
    NotPlain
        If its type or a value is not known to be written as Spark would.
    """
    kind = column.dtype
    if kind in {pl.Categorical, pl.Enum}:
        column, kind = column.cast(pl.String), pl.String()
    if kind == pl.String:
        blank = column.str.strip_chars(" ") == ""
        return column.set(blank.fill_null(value=False), None)
    if kind in {pl.Int8, pl.Int16, pl.Int32, pl.Int64}:
        return column.cast(pl.String)
    if kind == pl.Float64:
        return _write_doubles(column)
    raise NotPlain(f"{column.name}: {kind}")


def to_session(column: pl.Series, formats: Sequence[str], timezone: str) -> pl.Series:
    """Return the exchange dates as text, null where there is none; else as `as_text`."""
    kind = column.dtype
    if kind == pl.Date:
        return _date_text(column)
    if isinstance(kind, pl.Datetime):
        instant = _microseconds(column)
        if kind.time_zone is None:
            return _date_text(instant.dt.date())
        utc = instant.dt.convert_time_zone("UTC")
        midnight = utc == utc.dt.truncate("1d")
        local = utc.dt.convert_time_zone(timezone).dt.date()
        return _date_text(utc.dt.date().zip_with(midnight.fill_null(value=True), local))
    if kind == pl.Int64 and (column >= NANOSECONDS_FROM).any():
        raise NotPlain(f"{column.name}: whole numbers that are instants")
    text = as_text(column)
    read = pl.Series(column.name, [None] * len(text), dtype=pl.Date)
    for pattern in formats:
        read = _first(read, _parse_date(text, *_translate(pattern)))
    leading = text.str.extract(rf"^({_DATE})[T ]\d{{2}}:\d{{2}}", 1)
    return _all_read(text, _date_text(_first(read, _parse_date(leading, "%Y-%m-%d", _DATE))))


def to_instant(column: pl.Series, timezone: str) -> pl.Series:
    """Return instants as text in UTC, null where there is none; what says no zone is in `timezone`."""
    kind = column.dtype
    if kind == pl.Date:
        return _instant_text(_localized(column.cast(pl.Datetime("us")), timezone), column)
    if isinstance(kind, pl.Datetime):
        instant = _microseconds(column)
        read = _localized(instant, timezone) if kind.time_zone is None else instant
        return _instant_text(read, column)
    text = as_text(column)
    if text.null_count() == len(text):
        return text
    if kind not in {pl.String, pl.Categorical, pl.Enum}:
        raise NotPlain(f"{column.name}: {kind}")
    parts = [text.str.extract(_INSTANT, place) for place in range(1, 6)]
    day, clock, seconds, fraction, zone = (part.fill_null("") for part in parts)
    clock = clock.replace("", "00:00")
    local = (day + "T" + clock + seconds.replace("", ":00") + fraction).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False
    )
    east = zone.str.slice(0, 1).replace_strict({"+": 1, "-": -1}, default=0, return_dtype=pl.Int64)
    hours = zone.str.slice(1, 2).cast(pl.Int64, strict=False).fill_null(0)
    minutes = zone.str.slice(4, 2).cast(pl.Int64, strict=False).fill_null(0)
    offset = (east * (hours * 60 + minutes) * 60_000_000).cast(pl.Duration("us"))
    said = (local - offset).dt.replace_time_zone("UTC")
    return _instant_text(said.zip_with(zone != "", _localized(local, timezone)), text)


def _write_doubles(column: pl.Series) -> pl.Series:
    """Return doubles as Java writes them: where the shortest exact digits are equal, so is the text."""
    given = column.fill_nan(None)
    size = given.abs()
    strange = (size != 0) & ~size.is_between(_SMALLEST, _LARGEST, closed="left")
    if strange.any():
        raise NotPlain(f"{column.name}: {given.filter(strange.fill_null(value=False))[0]!r}")
    text = given.cast(pl.String)
    large = (size >= _WITHOUT_EXPONENT).fill_null(value=False)
    if not large.any():
        return text
    return text.scatter(large.arg_true(), [_write_large(value) for value in given.filter(large)])


def _write_large(value: float) -> str:
    """Return a double from 10⁷ on as Java writes it, with an exponent."""
    size = abs(value)
    digits = repr(size).replace(".", "").rstrip("0")
    exponent = len(repr(size).partition(".")[0]) - 1
    return f"{'-' if value < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _translate(pattern: str) -> tuple[str, str]:
    """Return a Spark date pattern in the notation of Polars, and the text that it stands for."""
    found = _PATTERN.fullmatch(pattern)
    if found is None or len({found[1], found[3], found[5]}) < 3:
        raise NotPlain(f"date pattern {pattern}")
    parts = [_TOKENS.get(part, (part, re.escape(part))) for part in found.groups()]
    return "".join(part[0] for part in parts), "".join(part[1] for part in parts)


def _parse_date(text: pl.Series, pattern: str, shape: str) -> pl.Series:
    fitting = text.set(~text.str.contains(f"^{shape}$").fill_null(value=False), None)
    return fitting.str.to_date(pattern, strict=False)


def _first(one: pl.Series, other: pl.Series) -> pl.Series:
    return one.zip_with(one.is_not_null(), other)


def _date_text(days: pl.Series) -> pl.Series:
    if not days.dt.year().is_between(FIRST_YEAR, LAST_YEAR).fill_null(value=True).all():
        raise NotPlain(f"{days.name}: a date outside {FIRST_YEAR}..{LAST_YEAR}")
    return days.dt.strftime("%Y-%m-%d")


def _microseconds(column: pl.Series) -> pl.Series:
    """Return instants in microseconds; Spark reads small numbers of nanoseconds as no instants."""
    nanoseconds = column.dtype.time_unit == "ns"  # type: ignore[attr-defined]
    if nanoseconds and (column.to_physical() < NANOSECONDS_FROM).any():
        raise NotPlain(f"{column.name}: nanoseconds before 1973")
    return column.dt.cast_time_unit("us")


def _localized(instants: pl.Series, timezone: str) -> pl.Series:
    """Return instants on the clocks of a time zone in UTC, null in the hour that a clock leaves out."""
    zoned = instants.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def _instant_text(instants: pl.Series, given: pl.Series) -> pl.Series:
    utc = instants.dt.convert_time_zone("UTC")
    if not utc.dt.year().is_between(FIRST_YEAR, LAST_YEAR).fill_null(value=True).all():
        raise NotPlain(f"{given.name}: an instant outside {FIRST_YEAR}..{LAST_YEAR}")
    return _all_read(given, utc.dt.strftime(INSTANT_FORMAT))


def _all_read(given: pl.Series, read: pl.Series) -> pl.Series:
    """Return what was read, if that is all that was given."""
    if (given.is_not_null() & read.is_null()).any():
        raise NotPlain(f"{given.name}: a value that is no plain date or instant")
    return read
