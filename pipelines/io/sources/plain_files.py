"""Files of this machine read in this process, where that gives what Spark would: a day's file costs no JVM.

Of CSV only what has one reading is read here: UTF-8, one kind of line end, quotes around whole fields alone.
Anything else is left to Spark, and so is what `plain_columns` does not know to write alike.
"""

from __future__ import annotations

import csv
import gzip
import io
import logging
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.io.sources.base import INSTANT_COLUMNS, NotPlain, write_instant
from pipelines.io.sources.layout import Layout, is_parquet
from pipelines.io.sources.params import FilesParams
from pipelines.io.sources.plain_columns import as_text, to_instant, to_session
from pipelines.io.sources.stores import local_path

log = logging.getLogger(__name__)

SMALL_BYTES = 32 << 20
MODEST_BYTES = 256 << 20
"""About ten million bars of Parquet: what is held of each while it is judged takes some hundred megabytes."""
PART_ROWS = 100_000
PACKED = 10
"""How many times its size a packed text may hold."""

_BLANK = "".join(map(chr, range(33)))
_TOP_LEVEL = {"INT32", "INT64", "DOUBLE", "BYTE_ARRAY"}


def are_small(files: Mapping[str, int]) -> bool:
    """Tell whether files (path to bytes) are few and small enough to be held in this process."""
    return sum(_weight(path, size) for path, size in files.items()) <= SMALL_BYTES


def are_modest(files: Mapping[str, int]) -> bool:
    """Tell whether files can be read in this process a part at a time; a text is one part of its own."""
    weights = {path: _weight(path, size) for path, size in files.items()}
    texts = (weight for path, weight in weights.items() if not is_parquet(path))
    return sum(weights.values()) <= MODEST_BYTES and max(texts, default=0) <= SMALL_BYTES


def _weight(path: str, size: int) -> int:
    return size * (PACKED if path.lower().endswith(".gz") else 1)


def read_here(
    file: str, layout: Layout, params: FilesParams, delivery: str, arrived_at: datetime | None
) -> pl.DataFrame:
    """Return the records of one local file: our columns and ``delivery``, all text.

    Parameters
    ----------
    delivery : str
        Stands on each record.
    arrived_at : datetime, optional
        When they arrived, where it is the file that says so.

    Raises
    ------
    NotPlain
        If Spark might read the file differently.
    ContractViolation
        If the columns cannot be told.
    """
    none = pl.DataFrame(schema=dict.fromkeys((*layout.columns, "delivery"), pl.String))
    return pl.concat([none, *read_parts(file, layout, params, delivery, arrived_at)])


def read_parts(
    file: str, layout: Layout, params: FilesParams, delivery: str, arrived_at: datetime | None
) -> Iterator[pl.DataFrame]:
    """Yield the records of one local file, at most `PART_ROWS` at a time; see `read_here`."""
    if is_parquet(file):
        for sent in _read_parquet(file, layout):
            yield _as_records(sent, layout, params, delivery, arrived_at)
        return
    sent = _read_csv(file, layout, params.separator)
    yield from _as_records(sent, layout, params, delivery, arrived_at).iter_slices(PART_ROWS)


def _as_records(
    sent: Mapping[str, pl.Series],
    layout: Layout,
    params: FilesParams,
    delivery: str,
    arrived_at: datetime | None,
) -> pl.DataFrame:
    height = max(map(len, sent.values()), default=0)
    columns = []
    for ours in layout.columns:
        if ours == "received_at" and arrived_at is not None:
            text = pl.Series(ours, [write_instant(arrived_at)] * height, dtype=pl.String)
        elif ours not in sent:
            text = pl.Series(ours, [None] * height, dtype=pl.String)
        elif ours == "session":
            text = to_session(sent[ours], params.date_formats, params.timezone)
        elif ours in INSTANT_COLUMNS:
            text = to_instant(sent[ours], params.timezone)
        else:
            text = as_text(sent[ours])
        columns.append(text.alias(ours))
    return pl.DataFrame([*columns, pl.Series("delivery", [delivery] * height, dtype=pl.String)])


def _read_csv(file: str, layout: Layout, separator: str) -> dict[str, pl.Series]:
    content = local_path(file).read_bytes()
    if file.lower().endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise NotPlain(f"{file}: {error}") from error
    lines = _parse(content, separator, multiline=layout.free_text)
    if not lines:
        raise NotPlain(f"{file}: no header")
    header, *rows = lines
    places = layout.locate(header, file)
    cleaned = _keep if layout.free_text else _strip
    return {
        ours: pl.Series(
            ours,
            [cleaned(row[place]) or None if place < len(row) else None for row in rows],
            dtype=pl.String,
        )
        for ours, place in places.items()
    }


def _read_parquet(file: str, layout: Layout) -> Iterator[dict[str, pl.Series]]:
    path = local_path(file)
    try:
        schema = pq.read_metadata(path).schema
        leaves = {schema.column(place).path: schema.column(place) for place in range(len(schema))}
        names = list(dict.fromkeys(leaf.split(".")[0] for leaf in leaves))
        wanted = {ours: names[place] for ours, place in layout.locate(names, file).items()}
        for theirs in wanted.values():
            # An instant stored as INT96 is in UTC, but nothing in the footer says so.
            if theirs not in leaves or leaves[theirs].physical_type not in _TOP_LEVEL:
                raise NotPlain(f"{theirs}: stored in another way")
        # As one file: a folder called year=2024 is no column.
        for part in pq.ParquetFile(path).iter_batches(PART_ROWS, columns=list(wanted.values())):
            yield {ours: pl.Series(ours, _simple(part.column(theirs))) for ours, theirs in wanted.items()}
    except (pa.ArrowException, pl.exceptions.PolarsError, UnicodeDecodeError, OSError) as error:
        raise NotPlain(f"{file}: {error}") from error


def _simple(column: pa.Array) -> pa.Array:
    """Return a column whose type this module knows; texts that are not UTF-8 are none."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column.validate(full=True)
    elif not (
        pa.types.is_signed_integer(kind)
        or pa.types.is_float64(kind)
        or pa.types.is_date32(kind)
        or pa.types.is_timestamp(kind)
    ):
        raise NotPlain(f"type {kind}")
    return column


def _parse(content: bytes, separator: str, *, multiline: bool) -> list[list[str]]:
    """Return the fields of each line of a CSV text that has one reading."""
    if (separator != "\t" and separator <= " ") or separator == '"':
        raise NotPlain(f"separator {separator!r}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotPlain(str(error)) from error
    returns = text.count("\r")
    if "\0" in text or (returns and not returns == text.count("\r\n") == text.count("\n")):
        raise NotPlain("line ends of several kinds, or a zero")
    if '"' in text and not _has_one_reading(text, separator, multiline=multiline):
        raise NotPlain("quotes within fields")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise NotPlain(str(error)) from error
    blank = _is_blank if not multiline else _is_empty
    if '"' in text and any(len(row) == 1 and blank(row) for row in rows):
        raise NotPlain("a line of quotes alone")
    return [row for row in rows if not blank(row)]


def _has_one_reading(text: str, separator: str, *, multiline: bool) -> bool:
    """Tell whether quotes stand around whole fields only, without blanks that one reader would drop."""
    if not multiline:
        bare = re.sub(r"\r?\n|^", separator, text.replace('""', ""))
        if re.search(r'"[\x00-\x20]|[\x00-\x20]"', bare):
            return False
    sign = re.escape(separator)
    inside = r'[^"\r]' if multiline else r'[^"\r\n]'
    field = rf'(?:"(?:{inside}++|"")*+"|[^"{sign}\r\n]*+)'
    line = rf"{field}(?:{sign}{field})*+"
    return re.fullmatch(rf"{line}(?:\r?\n{line})*+", text) is not None


def _is_blank(row: list[str]) -> bool:
    return not row or (len(row) == 1 and not row[0].strip(_BLANK))


def _is_empty(row: list[str]) -> bool:
    return not row


def _strip(value: str) -> str:
    return value.strip(_BLANK)


def _keep(value: str) -> str:
    return value
