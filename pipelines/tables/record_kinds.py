"""Records as sent: how a bar and a text are parsed, and what their contracts refuse.

Ingest refuses by these rules before a batch is landed and curate leaves the same records out, so
a record in quarantine never has a version in silver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import pandera.polars as pa
import polars as pl

from features.sessions import INSTANT

PRICES = ("open", "high", "low", "close")
NUMBERS = (*PRICES, "volume", "adjusted_close", "dividend", "split")

SENT_AS = {"day": "session", "published": "published_at"}
"""Parsed columns by the name they were sent under."""

REFUSALS = {
    "record_hash": pl.String,
    "rule": pl.String,
    "place": pl.String,
}


def parse_day(column: str) -> pl.Expr:
    """Return the calendar date of an as-sent string: ISO (with or without a time) or YYYYMMDD; else null."""
    text = pl.col(column).str.strip_chars()
    iso = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return pl.coalesce(iso, text.str.to_date("%Y%m%d", strict=False))


def parse_instant(column: str) -> pl.Expr:
    """Return the UTC instant of an as-sent ISO 8601 string; no offset means UTC; else null."""
    text = pl.col(column).str.strip_chars().str.replace(" ", "T", literal=True)
    zoned = text.str.replace("Z$", "+00:00").str.to_datetime("%+", strict=False, time_unit="us")
    bare = text.str.to_datetime(strict=False, time_unit="us", format="%Y-%m-%dT%H:%M:%S%.f")
    return pl.coalesce(zoned.dt.convert_time_zone("UTC"), bare.dt.replace_time_zone("UTC")).cast(INSTANT)


def parse_bars(records: pl.DataFrame) -> pl.DataFrame:
    """Return bar records with typed columns beside what was sent.

    Parameters
    ----------
    records : polars.DataFrame
        Strings as sent: the columns of `BARS`.

    Returns
    -------
    polars.DataFrame
        With `day` (Date) and one Float64 column a number, named ``<column>_value``; what cannot be read is
        null. A missing dividend is 0 and a missing split 1: the feed announces none.
    """
    values = [
        pl.col(name).str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None).alias(f"{name}_value")
        for name in NUMBERS
    ]
    parsed = records.with_columns(parse_day("session").alias("day"), *values)
    return parsed.with_columns(
        _absent_is("dividend", 0.0),
        pl.when(pl.col("split_value") == 0)
        .then(1.0)
        .otherwise(_absent_is("split", 1.0))
        .alias("split_value"),
    )


def _absent_is(name: str, value: float) -> pl.Expr:
    return pl.when(_was_sent(name)).then(pl.col(f"{name}_value")).otherwise(value).alias(f"{name}_value")


def _was_sent(name: str) -> pl.Expr:
    return pl.col(name).fill_null("").str.strip_chars() != ""


def parse_texts(records: pl.DataFrame) -> pl.DataFrame:
    """Return text records with `published` (UTC instant, null if unreadable) beside what was sent.

    Parameters
    ----------
    records : polars.DataFrame
        Strings as sent: the columns of `TEXTS`.
    """
    return records.with_columns(parse_instant("published_at").alias("published"))


def _rule(name: str, holds: pl.Expr) -> pa.Check:
    """Return the rule that a condition over its columns holds of every record."""
    return pa.Check(lambda data: data.lazyframe.select(holds), name=name)


def bar_contract(days: Sequence[date]) -> pa.DataFrameSchema:
    """Return the contract of one parsed bar; `days` are the sessions of the source's calendar."""
    prices = {
        f"{name}_value": pa.Column(
            pl.Float64, nullable=False, checks=pa.Check.gt(0, error="non_positive_price")
        )
        for name in PRICES
    }
    positive = pa.Check.ge(0, error="negative_value")
    low, high = pl.col("low_value"), pl.col("high_value")
    inside = [pl.col(f"{name}_value").is_between(low, high) for name in ("open", "close")]
    known = pl.Series(days, dtype=pl.Date).implode()
    return pa.DataFrameSchema(
        {
            "symbol": pa.Column(pl.String, nullable=False),
            "day": pa.Column(pl.Date, nullable=False),
            "volume_value": pa.Column(pl.Float64, nullable=False, checks=positive),
            "dividend_value": pa.Column(pl.Float64, nullable=True, checks=positive),
            "split_value": pa.Column(
                pl.Float64, nullable=True, checks=pa.Check.gt(0, error="non_positive_split")
            ),
        }
        | prices,
        checks=[
            # Null prices and days have rules of their own, so these two pass over them.
            _rule("ohlc_inconsistent", pl.all_horizontal(*inside, low <= high).fill_null(value=True)),
            _rule("off_calendar", pl.col("day").is_null() | pl.col("day").is_in(known)),
            *(
                _rule(f"unreadable_{name}", ~(_was_sent(name) & pl.col(f"{name}_value").is_null()))
                for name in NUMBERS
            ),
        ],
    )


def text_contract() -> pa.DataFrameSchema:
    """Return the contract of one parsed text."""
    filled = pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key).str.strip_chars() != ""), name="empty"
    )
    return pa.DataFrameSchema(
        {
            "symbol": pa.Column(pl.String, nullable=False, checks=filled),
            "published": pa.Column(INSTANT, nullable=False),
            "text": pa.Column(pl.String, nullable=False, checks=filled),
        }
    )


def find_refusals(parsed: pl.DataFrame, contract: pa.DataFrameSchema) -> pl.DataFrame:
    """Return one row for each record and rule that it breaks.

    Returns
    -------
    polars.DataFrame
        `record_hash`, `rule` and `place` (the columns at fault, comma-separated), unique by the
        first two. Nulls in prices are ``null_price``; OHLC rules skip nulls.
    """
    try:
        contract.validate(parsed, lazy=True)
    except pa.errors.SchemaErrors as error:
        return _named(error.failure_cases, parsed)
    return pl.DataFrame(schema=REFUSALS)


def _named(cases: pl.DataFrame, parsed: pl.DataFrame) -> pl.DataFrame:
    unplaced = cases.filter(pl.col("index").is_null())
    if unplaced.height:
        msg = f"the contract could not be applied: {unplaced['check'].to_list()}"
        raise ValueError(msg)
    place = pl.col("column").str.replace("_value$", "").fill_null("").replace(SENT_AS)
    absent = pl.col("check") == "not_nullable"
    null_rule = (
        pl.when(place.is_in(PRICES)).then(pl.lit("null_price"))
        .when(place.is_in(list(SENT_AS.values()))).then("unreadable_" + place)
        .otherwise("null_" + place)
    )  # fmt: skip
    named = cases.select(
        pl.col("index").cast(pl.UInt32),
        pl.when(absent).then(null_rule).otherwise(pl.col("check")).alias("rule"),
        place.alias("place"),
    )
    hashes = parsed.select("record_hash").with_row_index("index")
    return (
        named.join(hashes, on="index", how="inner")
        .group_by("record_hash", "rule")
        .agg(pl.col("place").unique().sort().str.join(","))
        .sort("record_hash", "rule")
        .select(*REFUSALS)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKind:
    """One kind of record: how it is parsed and what its contract refuses."""

    name: str
    columns: tuple[str, ...]
    parse: Callable[[pl.DataFrame], pl.DataFrame]
    contract: Callable[[Sequence[date]], pa.DataFrameSchema]

    def refusals(self, parsed: pl.DataFrame, days: Sequence[date]) -> pl.DataFrame:
        """Return the rules that each record from `parse` breaks; see `find_refusals`."""
        return find_refusals(parsed, self.contract(days))


BARS = RecordKind(
    name="bars",
    columns=("symbol", "session", *PRICES, "volume", "adjusted_close", "dividend", "split"),
    parse=parse_bars,
    contract=bar_contract,
)
TEXTS = RecordKind(
    name="texts",
    columns=("symbol", "published_at", "text", "origin"),
    parse=parse_texts,
    contract=lambda _days: text_contract(),
)
