"""Pure steps of ingest: what is new, which records are refused, what lands and what is quarantined."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from features.sessions import INSTANT
from pipelines.base.table import Dtype, TableContract
from pipelines.stages.ingest.dating import RULES, Dating, date_records, find_misdated
from pipelines.tables.contracts import OPS_QUARANTINE
from pipelines.tables.record_kinds import RecordKind, parse_instant

TRAILING = timedelta(days=30)
"""A stamp so long after its event tells when a history was published again, not when a record was had."""
STANDING: dict[str, Dtype] = {
    "standing_hash": pl.String,
    "standing_at": INSTANT,
    "last_known_at": INSTANT,
    "in_bronze": pl.Boolean,
}
"""What bronze holds of a record's key: see `comparison_with_bronze.attach_standing`."""


FACTS = {"delivery": pl.String, "place": pl.Int32} | dict.fromkeys(
    ("records", "refused", "repeated", "trailing", "fresh"), pl.Int64
)
"""What is counted of each delivery: see `pipelines.tables.landing_queries.DELIVERY_FACTS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What the records of one feed are judged by in one run.

    Attributes
    ----------
    source : str
        The feed's name.
    kind : RecordKind
    contract : TableContract
        Of the bronze table.
    closes : polars.DataFrame
        `session` and `event_timestamp` (close, UTC) of the calendar.
    text_close_lag : timedelta
        A text belongs to the first session whose close comes at least so much later.
    delivered : mapping of delivery's id to its time
        In the order of the deliveries.
    by_content : bool
        Whether a record is new when it says something else of its key than the delivery before it; else when
        its hash is new.
    """

    source: str
    kind: RecordKind
    contract: TableContract
    closes: pl.DataFrame
    text_close_lag: timedelta
    delivered: Mapping[str, datetime]
    by_content: bool
    dating: Dating


def hash_records(records: pl.DataFrame, columns: Sequence[str], *, stamped: bool) -> pl.DataFrame:
    """Return the records with `record_hash`, the same one as `pipelines.tables.queries.record_hash` gives."""
    parts = [pl.col(name).fill_null("\x00") for name in columns]
    parts.append(pl.col("received_at").fill_null("\x00") if stamped else pl.lit("\x00"))
    said = records.select(pl.concat_str(parts, separator="\x1f")).to_series()
    hashes = [hashlib.sha256(text).hexdigest() for text in said.cast(pl.Binary)]
    return records.with_columns(pl.Series("record_hash", hashes, dtype=pl.String))


def judged_schema(contract: TableContract) -> dict[str, Any]:
    """Return the columns of `judge_records`: the bronze row, what is broken in it and how it stands."""
    marks = {"broken": pl.String, "place": pl.Int32, "copies": pl.Int64, "standing_hash": pl.String}
    flags = dict.fromkeys(("trailing", "fresh", "older", "conflicting"), pl.Boolean)
    return {**contract.schema, **marks, **flags}


def judge_records(records: pl.DataFrame, judging: Judging) -> pl.DataFrame:
    """Return the bronze rows of `records`, without a batch yet, and how each stands.

    Parameters
    ----------
    records : polars.DataFrame
        Strings as sent, with `received_at` (as sent, null where the feed has none), `delivery`, `record_hash`
        and `STANDING`.

    Returns
    -------
    polars.DataFrame, shape (n_records, n_columns + 8)
        The bronze columns; `broken`: null for a sound record, else JSON, a list of objects with `rule` and
        `place`; `place`: the delivery's place among those of the run; `trailing`: the stamp comes long after
        the event; `fresh`: it says something new of its key, as far as one row tells; `older`: its delivery
        is older than the one that the key stands on; `copies` 1 and `conflicting` false, until
        `mark_repeats` compares the rows with one another; `standing_hash`. `overlap` is null until it is
        counted.
    """
    dating = judging.dating
    parsed = _place(_parse(records, judging), judging)
    rules = find_misdated(dating)
    parsed = parsed.with_columns(misdated=pl.any_horizontal(pl.lit(value=False), *rules.values()))
    dated = date_records(parsed, dating)
    refused = judging.kind.refusals(parsed, judging.closes["session"].to_list())
    rows = dated.with_row_index("row")
    broken = _name_rules(rows, refused, rules)
    judged = rows.join(broken, on="row", how="left", maintain_order="left")
    return judged.with_columns(
        pl.lit(judging.source).alias("source"),
        pl.lit("").alias("batch_id"),
        pl.col("stamp").alias("received_at"),
        pl.lit(dating.observation.landed_at, INSTANT).alias("landed_at"),
        pl.lit(dating.observation.landed_at.date(), pl.Date).alias("ingest_date"),
        pl.col("day").alias("session_date"),
        pl.lit(dating.observation.closed_until, INSTANT).alias("closed_until"),
        pl.lit(None, pl.Int32).alias("overlap"),
        _trails(dating).alias("trailing"),
        _is_fresh(judging).alias("fresh"),
        _is_older().alias("older"),
        pl.lit(1, pl.Int64).alias("copies"),
        pl.lit(value=False).alias("conflicting"),
    ).select(list(judged_schema(judging.contract)))


def _name_rules(rows: pl.DataFrame, refused: pl.DataFrame, dated: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Return `row` and `broken` of the records that break a rule.

    The rules of a contract are of the words, which several deliveries may hold; those of `dated` are of one
    record, since its stamp may be its delivery's.
    """
    found = [refused.join(rows.select("row", "record_hash"), on="record_hash").select("row", "rule", "place")]
    if rows["misdated"].any():
        found += [
            rows.filter(holds).select("row", pl.lit(rule).alias("rule"), pl.lit(RULES[rule]).alias("place"))
            for rule, holds in dated.items()
        ]
    named = pl.struct("rule", "place").struct.json_encode().unique(maintain_order=True)
    return (
        pl.concat(found)
        .group_by("row", maintain_order=True)
        .agg(pl.concat_str(pl.lit("["), named.str.join(","), pl.lit("]")).alias("broken"))
    )


def _parse(records: pl.DataFrame, judging: Judging) -> pl.DataFrame:
    """Add the typed columns of the kind, the delivery's time and place, and the stamp."""
    ids = list(judging.delivered)
    delivered = pl.col("delivery").replace_strict(ids, list(judging.delivered.values()), return_dtype=INSTANT)
    return judging.kind.parse(records).with_columns(
        delivered.alias("delivered_at"),
        pl.col("delivery").replace_strict(ids, list(range(len(ids))), return_dtype=pl.Int32).alias("place"),
        parse_instant("received_at").alias("stamp"),
    )


def _place(parsed: pl.DataFrame, judging: Judging) -> pl.DataFrame:
    """Add `day`, the session that a record belongs to, and `event_at`, null where it cannot be read."""
    if "ex_date" in parsed.columns:
        parsed = _count_from_session(parsed, judging.closes)
    if "day" in parsed.columns:
        closed = judging.closes.rename({"session": "day", "event_timestamp": "event_at"})
        midnight = pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        joined = parsed.join(closed, on="day", how="left", maintain_order="left")
        return joined.with_columns(pl.coalesce("event_at", midnight.cast(INSTANT)).alias("event_at"))
    due = (pl.col("published") + judging.text_close_lag).alias("due")
    closes = judging.closes.select(pl.col("session").alias("day"), pl.col("event_timestamp").alias("due"))
    placed = (
        parsed.with_columns(due)
        .with_row_index("row")
        .sort("due")
        .join_asof(closes.sort("due"), on="due", strategy="forward")
    )
    # What was said before the calendar's first session belongs to none that is known.
    begins = pl.lit(judging.closes["session"].min(), pl.Date).cast(INSTANT)
    day = pl.when(pl.col("published") >= begins).then("day").alias("day")
    return placed.sort("row").drop("row", "due").with_columns(day, pl.col("published").alias("event_at"))


def _count_from_session(parsed: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    """Add `day`, the first session from an ex-date on; beyond the calendar's ends the ex-date itself."""
    sessions = closes.select(pl.col("session").alias("counts_in")).sort("counts_in")
    placed = (
        parsed.with_row_index("row")
        .sort("ex_date")
        .join_asof(sessions, left_on="ex_date", right_on="counts_in", strategy="forward")
        .sort("row")
    )
    known = pl.col("ex_date") >= sessions["counts_in"].min()
    day = pl.when(known).then(pl.coalesce("counts_in", "ex_date")).otherwise("ex_date")
    return placed.with_columns(day.alias("day")).drop("row", "counts_in")


def _trails(dating: Dating) -> pl.Expr:
    """Return the condition that a stamp which counts comes long after its event."""
    late = pl.col("stamp") - pl.col("event_at") > TRAILING
    if dating.stamps_from is not None:
        late &= pl.col("stamp") >= pl.lit(dating.stamps_from, INSTANT)
    return late.fill_null(value=False)


def _is_fresh(judging: Judging) -> pl.Expr:
    """Return the condition that a record says something new of its key, other rows of the run aside."""
    if not judging.by_content:
        return pl.col("standing_hash").is_null()
    differs = pl.col("record_hash").ne_missing(pl.col("standing_hash"))
    return differs & ~_is_older()


def _is_older() -> pl.Expr:
    """Return the condition that a delivery is older than the one that the record's key stands on."""
    return (pl.col("delivered_at") < pl.col("standing_at")).fill_null(value=False)


def mark_repeats(judged: pl.DataFrame, judging: Judging) -> pl.DataFrame:
    """Return the rows without exact repeats, compared with one another.

    Parameters
    ----------
    judged : polars.DataFrame
        From `judge_records`: all rows of the symbols that occur.

    Returns
    -------
    polars.DataFrame
        The same columns: one row a delivery and content, `copies` says how often it was sent. `conflicting`:
        a sound record of its delivery contradicts another one of the same key; the greatest hash stays: any
        fixed choice would do, this one needs no order. `fresh` also regards the deliveries of the run before.
    """
    sent = judged.sort("place", "record_hash").with_columns(
        pl.len().over("place", "record_hash").cast(pl.Int64).alias("copies")
    )
    one = sent.unique(["place", "record_hash"], keep="first", maintain_order=True)
    if judging.kind.key:
        key = [*judging.kind.key, *([] if judging.by_content else ["received_at"])]
        sound = pl.col("broken").is_null()
        greatest = pl.col("record_hash").filter(sound).max().over(*key, "place")
        one = one.with_columns((sound & (pl.col("record_hash") != greatest)).alias("conflicting"))
    if judging.by_content:
        return _mark_news(one, judging.kind.key)
    return one.with_columns((pl.col("fresh") & _is_first()).alias("fresh"))


def _is_first() -> pl.Expr:
    """Return the condition that none before it says the same; what has no `known_at` comes last."""
    untimely = pl.col("known_at").is_null().cast(pl.Int64)
    return pl.int_range(pl.len()).over("record_hash", order_by=untimely * 2**32 + pl.col("place")) == 0


def _mark_news(one: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Return the rows, `fresh` where their delivery says something else of the key than the one before."""
    # What was refused for its hour alone has said nothing. Of each delivery one record stands for the key: of
    # the sound ones, if there are any, the greatest hash.
    timely = pl.col("known_at").is_not_null()
    stands = pl.col("record_hash").sort_by("broken", "record_hash", nulls_last=True).last()
    heard = one.filter(~pl.col("older") & timely)
    said = heard.group_by(*key, "place").agg(stands.alias("said"), pl.col("standing_hash").first())
    before = pl.coalesce(pl.col("said").shift(1).over(*key, order_by="place"), "standing_hash")
    news = said.with_columns(pl.col("said").ne_missing(before).alias("differs"))
    marked = one.join(
        news.select(*key, "place", "differs"),
        on=[*key, "place"], how="left", nulls_equal=True, maintain_order="left",
    )  # fmt: skip
    told = (
        pl.when(timely)
        .then(pl.col("differs").fill_null(value=False))
        .otherwise(pl.col("fresh") & _is_first())
    )
    fresh = told & ~pl.col("older")
    return marked.with_columns(fresh.alias("fresh")).select(one.columns)


def quarantined(rows: pl.DataFrame, *, kind: RecordKind) -> pl.DataFrame:
    """Return the quarantine rows of judged records: one for each rule that a record breaks.

    Parameters
    ----------
    rows : polars.DataFrame
        From `mark_repeats`, with their batch; what is neither broken nor repeated gives nothing. An exact
        repeat is ``duplicate``, a contradicting record ``conflicting_duplicate``.
    """
    rules = pl.List(pl.Struct({"rule": pl.String, "place": pl.String}))
    one = rows.unique("record_hash", keep="first", maintain_order=True)
    broken = one.filter(pl.col("broken").is_not_null()).drop("place")
    decoded = broken.with_columns(pl.col("broken").str.json_decode(rules))
    places = ",".join(kind.key or ("symbol", "session"))
    parts = [decoded.explode("broken").unnest("broken")]
    for rule, holds in (
        ("duplicate", pl.col("copies") > 1),
        ("conflicting_duplicate", pl.col("conflicting")),
    ):
        marked = one.filter(holds).with_columns(rule=pl.lit(rule), place=pl.lit(places))
        parts.append(marked.drop("broken"))
    day = "session" if "session" in kind.columns else "published_at"
    return pl.concat(parts, how="diagonal_relaxed").with_columns(
        pl.lit(kind.name).alias("kind"),
        pl.col(day).alias("session"),
        pl.struct(kind.columns).struct.json_encode().alias("payload"),
    ).select(OPS_QUARANTINE.columns)  # fmt: skip


def find_overfull(facts: pl.DataFrame, *, allowed: float, least: int) -> list[int]:
    """Return the places of the deliveries of which too much is refused.

    Parameters
    ----------
    facts : polars.DataFrame
        `place`, `records` and `refused`, a row a delivery.
    allowed : float
        Largest share allowed, a fraction.
    least : int
        Fewer refused records than this never stop a delivery.
    """
    share = pl.col("refused") / pl.col("records")
    return facts.filter((pl.col("refused") >= least) & (share > allowed))["place"].to_list()
