"""Records as sent: how a bar, an action and a text are parsed, and what their contracts refuse.

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

SENT_AS = {
    "day": "session",
    "ex_date": "session",
    "published": "published_at",
    "action": "kind",
    "amount": "value",
}
"""Parsed columns by the name they were sent under."""

ACTION_KINDS = {"split": "split", "splits": "split", "dividend": "dividend", "dividends": "dividend"}
"""What a feed may call an action, in lower case, and what it is."""
_RATIO = r"^([0-9.]+)\s*[:/]\s*([0-9.]+)$"

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


def parse_actions(records: pl.DataFrame) -> pl.DataFrame:
    """Return action records with typed columns beside what was sent.

    Parameters
    ----------
    records : polars.DataFrame
        Strings as sent: the columns of `ACTIONS`.

    Returns
    -------
    polars.DataFrame
        With `ex_date` (Date), `action` (``split`` or ``dividend``) and `amount` (Float64, finite): new shares
        for one old, also of a ratio such as ``2:1`` or ``2/1``, new before old; or currency a share. What
        cannot be read is null. A split of 1 and a dividend of 0 take back what was announced of the key.
    """
    sent = pl.col("value").str.strip_chars()
    number = sent.cast(pl.Float64, strict=False)
    new, old = (sent.str.extract(_RATIO, part).cast(pl.Float64, strict=False) for part in (1, 2))
    kind = pl.col("kind").str.strip_chars().str.to_lowercase()
    action = kind.replace_strict(ACTION_KINDS, default=None, return_dtype=pl.String)
    amount = pl.when(action == "split").then(pl.coalesce(number, new / old)).otherwise(number)
    return records.with_columns(
        parse_day("session").alias("ex_date"),
        action.alias("action"),
        pl.when(amount.is_finite()).then(amount).alias("amount"),
    )


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


def _filled() -> pa.Check:
    """Return the rule that a column holds more than blanks."""
    return pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key).str.strip_chars() != ""), name="empty"
    )


def action_contract() -> pa.DataFrameSchema:
    """Return the contract of one parsed action; its ex-date may be any day, past or to come."""
    split, dividend = (pl.col("action") == kind for kind in ("split", "dividend"))
    return pa.DataFrameSchema(
        {
            "symbol": pa.Column(pl.String, nullable=False, checks=_filled()),
            "ex_date": pa.Column(pl.Date, nullable=False),
            "action": pa.Column(pl.String, nullable=False),
            "amount": pa.Column(pl.Float64, nullable=False),
        },
        checks=[
            # What cannot be read has rules of its own, so these two pass over it.
            _rule("non_positive_split", ~(split & (pl.col("amount") <= 0)).fill_null(value=False)),
            _rule("negative_dividend", ~(dividend & (pl.col("amount") < 0)).fill_null(value=False)),
        ],
    )


def text_contract() -> pa.DataFrameSchema:
    """Return the contract of one parsed text."""
    filled = _filled()
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
    """One kind of record: how it is parsed and what its contract refuses.

    Attributes
    ----------
    name : str
    columns : tuple of str
        What is sent, the arrival aside.
    key : tuple of str
        Columns that name, as sent, what a record is about; none where nothing but the record itself does.
    ahead : bool
        Whether it may be known before its event: an action is announced before its ex-date.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    ahead: bool = False
    parse: Callable[[pl.DataFrame], pl.DataFrame]
    contract: Callable[[Sequence[date]], pa.DataFrameSchema]

    def refusals(self, parsed: pl.DataFrame, days: Sequence[date]) -> pl.DataFrame:
        """Return the rules that each record from `parse` breaks; see `find_refusals`."""
        return find_refusals(parsed, self.contract(days))


BARS = RecordKind(
    name="bars",
    columns=("symbol", "session", *PRICES, "volume", "adjusted_close", "dividend", "split"),
    key=("symbol", "session"),
    parse=parse_bars,
    contract=bar_contract,
)
ACTIONS = RecordKind(
    name="actions",
    columns=("symbol", "session", "kind", "value"),
    key=("symbol", "session", "kind"),
    ahead=True,
    parse=parse_actions,
    contract=lambda _days: action_contract(),
)
TEXTS = RecordKind(
    name="texts",
    columns=("symbol", "published_at", "text", "origin"),
    parse=parse_texts,
    contract=lambda _days: text_contract(),
)
