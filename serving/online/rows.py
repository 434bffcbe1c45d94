"""Rows between gold's types and the online store's, and which of two rows is the newer one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import feast
import polars as pl
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bool, Float32, Float64, Int64, String

from features.sessions import INSTANT
from serving.online.raw_readers import Cells, entity_key
from serving.online.stored_values import decode_numbers, decode_values, value_of

ISSUED_FORECASTS = "issued_forecasts"
"""The view that holds the forecasts issued last: rows like a feature view's, which no model reads."""
_VERSION_FIELDS = ("session", "event_at_us", "known_at_us", "valid")
_READ_AT_ONCE = 1000
_TYPES: dict[Any, tuple[str, pl.DataType | type[pl.DataType]]] = {
    Float64: ("double_val", pl.Float64),
    Float32: ("float_val", pl.Float32),
    Int64: ("int64_val", pl.Int64),
    Bool: ("bool_val", pl.Boolean),
    String: ("string_val", pl.String),
}


def read_rows(
    store: feast.FeatureStore,
    view: feast.FeatureView,
    symbols: Sequence[str],
    features: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the online rows of `view`; see `serving.online.feast_store.FeastOnlineStore.read_view`."""
    fields = chosen_fields(view, features)
    names, wanted = [field.name for field in fields], list(symbols)
    found: list[tuple[str, dict[str, Value]]] = []
    for start in range(0, len(wanted), _READ_AT_ONCE):
        part = wanted[start : start + _READ_AT_ONCE]
        keys = [entity_key(symbol) for symbol in part]
        rows = store._get_provider().online_read(store.config, view, keys, requested_features=names)
        found += [(symbol, values) for symbol, (_, values) in zip(part, rows, strict=True) if values]
    return decode_rows(view, found, fields)


def decode_rows(
    view: feast.FeatureView,
    found: Sequence[tuple[str, dict[str, Value]]],
    fields: Sequence[feast.Field] | None = None,
) -> pl.DataFrame:
    """Return the rows that the online store gave, in the types of gold; `fields` are all of the view's."""
    columns = [pl.Series("symbol", [symbol for symbol, _ in found], pl.String)]
    for field in view.features if fields is None else fields:
        attribute, dtype = _TYPES[field.dtype]
        values = [value_of(row.get(field.name), attribute) for _, row in found]
        columns.append(pl.Series(field.name, values, dtype))
    return _as_gold(pl.DataFrame(columns), view)


def chosen_fields(view: feast.FeatureView, features: Sequence[str] | None) -> list[feast.Field]:
    """Return the fields to read: all, or those that name a row's version and the features asked for."""
    if features is None:
        return list(view.features)
    by_name = {field.name: field for field in view.features}
    return [by_name[name] for name in (*_VERSION_FIELDS, *features) if name in by_name]


def decode_cells(
    view: feast.FeatureView, symbols: Sequence[str], cells: Sequence[Cells], fields: Sequence[feast.Field]
) -> pl.DataFrame:
    """Return the rows that `serving.online.raw_readers` gave as `decode_rows` does, the unknown left out."""
    at = next(place for place, field in enumerate(fields) if field.name == "session")
    known = [(symbol, row) for symbol, row in zip(symbols, cells, strict=True) if row[at]]
    rows = [row for _, row in known]
    floats: dict[str, pl.Series] = {}
    for kind in (Float64, Float32):
        numbers = [place for place, field in enumerate(fields) if field.dtype == kind]
        values_of = [[row[place] for place in numbers] for row in rows]
        found = decode_numbers(values_of, [fields[place].name for place in numbers], _TYPES[kind][1])
        floats |= found.to_dict()
    columns = [pl.Series("symbol", [symbol for symbol, _ in known], pl.String)]
    for place, field in enumerate(fields):
        if field.name in floats:
            columns.append(floats[field.name])
        else:
            attribute, dtype = _TYPES[field.dtype]
            values = decode_values([row[place] for row in rows], attribute)
            columns.append(pl.Series(field.name, values, dtype))
    return _as_gold(pl.DataFrame(columns), view)


def _as_gold(rows: pl.DataFrame, view: feast.FeatureView) -> pl.DataFrame:
    """Return fields in gold's types: dates and instants."""
    instants = {field: name for name, field in _instants(view).items()}
    return rows.with_columns(
        pl.col("session").str.to_date("%Y-%m-%d"),
        *(
            pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(INSTANT)
            for name in instants
            if name in rows.columns
        ),
    ).rename(instants, strict=False)


def encode_rows(rows: pl.DataFrame, view: feast.FeatureView) -> pl.DataFrame:
    """Return gold rows in the types of the view's fields: ISO dates, instants in µs since 1970 UTC."""
    return rows.with_columns(
        pl.col("session").dt.strftime("%Y-%m-%d"),
        pl.col(pl.Int32).cast(pl.Int64),
        *(
            pl.col(name).dt.epoch("us").alias(field)
            for name, field in _instants(view).items()
            if name in rows.columns
        ),
    )


def _instants(view: feast.FeatureView) -> dict[str, str]:
    """Return gold's column of each instant with the field that holds it; Feast's fields have no instants."""
    return {
        "event_timestamp": "event_at_us",
        created_column(view): "known_at_us",
        "decision_at": "decision_at_us",
    }


def created_column(view: feast.FeatureView) -> str:
    """Return the column of gold that says since when a row of the view is known."""
    return str(view.batch_source.created_timestamp_column)


def select_newer(
    offered: pl.DataFrame, existing: pl.DataFrame, *, speaker: str | None = None
) -> pl.DataFrame:
    """Return the offered rows that the existing ones do not outdate and that say something else.

    Parameters
    ----------
    offered, existing : polars.DataFrame
        `symbol` and the fields of one view, one row a symbol.
    speaker : str, optional
        Field that says who speaks. Only within one voice does the version known later outdate another: a
        champion that takes over, a former one included, speaks for the session from then on.

    Returns
    -------
    polars.DataFrame
        Rows of `offered`. Of two sessions the later one is newer, of two versions of a session the one that
        was known later; a row of the same version with other values, which a changed definition makes,
        counts as something else.
    """
    fields = [name for name in offered.columns if name != "symbol"]
    both = offered.join(existing, on="symbol", how="left", suffix="_existing")
    is_new = pl.col("session_existing").is_null()
    same_session = pl.col("session") == pl.col("session_existing")
    same_voice = (
        pl.lit(value=True) if speaker is None else pl.col(speaker).eq_missing(pl.col(f"{speaker}_existing"))
    )
    outdated = (pl.col("session") < pl.col("session_existing")) | (
        same_session & same_voice & (pl.col("known_at_us") < pl.col("known_at_us_existing"))
    )
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_existing")) for name in fields)
    return both.filter(is_new | (~outdated & differs)).select(offered.columns)
