"""Pure steps of ingest: when a record counts as known, and which records are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from features.sessions import INSTANT
from pipelines.base.table import TableContract
from pipelines.tables.contracts import OPS_QUARANTINE
from pipelines.tables.record_kinds import RecordKind, parse_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How the arrival of the records of one read is dated.

    Attributes
    ----------
    closes : polars.DataFrame
        `session` and `event_timestamp` (close, UTC) around the window.
    delivered : sequence of date
        Sessions that the source has delivered before: what comes for them now is known `now`.
    now : datetime
        The injected present.
    lag : timedelta
        From a bar's close (a text's publication) to when it counts as known.
    text_close_lag : timedelta
        A text belongs to the first session whose close comes at least so much later.
    fallback : datetime
        For records of no readable date, which their contract refuses anyway.
    """

    source: str
    closes: pl.DataFrame
    delivered: Sequence[date]
    now: datetime
    lag: timedelta
    text_close_lag: timedelta
    fallback: datetime


def judged_schema(contract: TableContract) -> dict[str, Any]:
    """Return the columns of `judge_records`: the bronze row and what is broken in it."""
    return {**contract.schema, "broken": pl.String}


def judge_records(
    records: pl.DataFrame, *, kind: RecordKind, arrival: Arrival, contract: TableContract
) -> pl.DataFrame:
    """Return the bronze rows of `records`, without a batch yet, and the rules that each breaks.

    Parameters
    ----------
    records : polars.DataFrame
        As `date_arrivals` takes them.

    Returns
    -------
    polars.DataFrame, shape (n_records, n_columns + 1)
        The bronze columns and `broken`: null for a sound record, else JSON, a list of objects with `rule` and
        `place`. Repeats stay; the order is that of `records`.
    """
    refused = kind.refusals(records, arrival.closes["session"].to_list())
    broken = refused.group_by("record_hash", maintain_order=True).agg(
        pl.concat_str(
            pl.lit("["), pl.struct("rule", "place").struct.json_encode().str.join(","), pl.lit("]")
        ).alias("broken")
    )
    dated = date_arrivals(records, kind=kind, arrival=arrival, contract=contract)
    return dated.join(broken, on="record_hash", how="left", maintain_order="left")


def date_arrivals(
    records: pl.DataFrame, *, kind: RecordKind, arrival: Arrival, contract: TableContract
) -> pl.DataFrame:
    """Return the bronze rows of `records`, without a batch yet.

    Parameters
    ----------
    records : polars.DataFrame, shape (n_records, n_sent + 2)
        Strings as sent, with `received_at` (null where the feed has none) and `record_hash`.

    Returns
    -------
    polars.DataFrame, shape (n_records, n_columns)
        `received_at` is the feed's, else the present for a session delivered before, else the
        event plus its lag. `session_date` is null where the date cannot be read.
    """
    parsed = kind.parse(records)
    if "day" not in parsed.columns:
        parsed = _place_texts(parsed, arrival)
        event = pl.col("published")
    else:
        parsed = parsed.join(arrival.closes, left_on="day", right_on="session", how="left")
        event = pl.coalesce(
            "event_timestamp", pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        )
    delivered = pl.Series(arrival.delivered, dtype=pl.Date).implode()
    late = pl.when(pl.col("day").is_in(delivered)).then(pl.lit(arrival.now, INSTANT))
    dated = parsed.with_columns(
        pl.coalesce(
            parse_instant("received_at"), late, event + arrival.lag, pl.lit(arrival.fallback, INSTANT)
        ).alias("received_at"),
        pl.lit(arrival.source).alias("source"),
        pl.lit("").alias("batch_id"),
        pl.lit(arrival.now.date(), pl.Date).alias("ingest_date"),
        pl.col("day").alias("session_date"),
    )
    return dated.select(contract.columns)


def _place_texts(parsed: pl.DataFrame, arrival: Arrival) -> pl.DataFrame:
    due = (pl.col("published") + arrival.text_close_lag).alias("due")
    closes = arrival.closes.select(pl.col("session").alias("day"), "event_timestamp").sort("event_timestamp")
    placed = (
        parsed.with_row_index("place")
        .with_columns(due)
        .sort("due")
        .join_asof(closes, left_on="due", right_on="event_timestamp", strategy="forward")
    )
    return placed.sort("place").drop("place", "due")


def broken_rows(records: pl.DataFrame, *, kind: RecordKind) -> pl.DataFrame:
    """Return the quarantine rows of judged records: one for each rule that a record breaks.

    Parameters
    ----------
    records : polars.DataFrame
        From `judge_records`, with their batch; those whose `broken` is null must be left out.
    """
    rules = pl.List(pl.Struct({"rule": pl.String, "place": pl.String}))
    decoded = records.unique("record_hash").with_columns(pl.col("broken").str.json_decode(rules))
    return _quarantined(decoded.explode("broken").unnest("broken"), kind)


def repeated_rows(records: pl.DataFrame, *, kind: RecordKind) -> pl.DataFrame:
    """Return the quarantine rows of records that share symbol, day and arrival with another one.

    An exact repeat is ``duplicate``. Of records that contradict each other the greatest hash stays
    and the others are ``conflicting_duplicate``: any fixed choice would do, this one needs no order.
    Records that break their contract contradict nobody.

    Parameters
    ----------
    records : polars.DataFrame
        From `judge_records`, with their batch: all of the symbols that occur.
    """
    counted = records.group_by("record_hash").agg(pl.len().alias("copies"), pl.all().first())
    stays = pl.col("record_hash") == pl.col("record_hash").max().over("symbol", "session_date", "received_at")
    sound = counted.filter(pl.col("broken").is_null())
    conflicting = (
        sound.filter(~stays).with_columns(rule=pl.lit("conflicting_duplicate"))
        if kind.name == "bars"
        else counted.clear().with_columns(rule=pl.lit(""))
    )
    exact = counted.filter(pl.col("copies") > 1).with_columns(rule=pl.lit("duplicate"))
    marked = pl.concat([exact, conflicting], how="diagonal").with_columns(place=pl.lit("symbol,session"))
    return _quarantined(marked, kind)


def _quarantined(marked: pl.DataFrame, kind: RecordKind) -> pl.DataFrame:
    day = "session" if "session" in kind.columns else "published_at"
    return marked.with_columns(
        pl.lit(kind.name).alias("kind"),
        pl.col(day).alias("session"),
        pl.struct(kind.columns).struct.json_encode().alias("payload"),
    ).select(OPS_QUARANTINE.columns)


def check_share(
    refused: int, total: int, *, allowed: float, place: str, rules: Sequence[str] = ()
) -> str | None:
    """Return why a batch must not be landed, None if it may.

    Parameters
    ----------
    refused, total : int
        Records of the batch that broke the contract, and all its records.
    allowed : float
        Largest share allowed, a fraction.
    rules : sequence of str
        Rules that were broken, the most frequent first.
    """
    if total == 0 or refused / total <= allowed:
        return None
    return (
        f"{refused} of {total} {place} records were refused ({refused / total:.1%}; "
        f"{', '.join(rules[:3]) or 'see ops.quarantine'}), allowed is {allowed:.1%}; "
        "nothing was landed: look at ops.quarantine, mend the feed and ingest again, "
        "or raise ingest.max_refused_share"
    )
