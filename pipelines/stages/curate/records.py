"""Bronze records as curate takes them up: typed, without what is refused, in the units that stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from pipelines.base.table import Dtype
from pipelines.stages.curate.seams import LEAST_OVERLAP, PRICES, TICK, Seam, chain_of, read_through
from pipelines.tables.record_kinds import BARS
from pipelines.tables.session_grid import SessionGrid

VALUES = (*PRICES, "volume")
SAID = ("said_at", "delivery")
"""How the records of a feed follow one another: by the time of their delivery, then by its id."""
KEY = ["source", "symbol", "session", "known_at"]
Feed = tuple[str, str]
"""A source and one of its symbols."""


@dataclass(frozen=True, slots=True)
class ReadBars:
    """Bars in the units in which they stand.

    Attributes
    ----------
    accepted : polars.DataFrame
        One row a (source, symbol, session, known_at): keys, instants and place of the session, `VALUES`
        (Float64, never null), `landed_at`, `known_by`, `record_hash`, `said_at`, `delivery`, `overlap`,
        `answered` (whether the row says of a split, if only that there is none). Sorted by `KEY`.
    announced : polars.DataFrame
        What rows of bars, refused ones too, say of actions: `source`, `symbol`, `session`, `known_at`,
        `split`, `dividend` (null where the row's own word cannot be read), `record_hash`, `said_at`,
        `delivery`, `position`, `event_timestamp`; only symbols that say anything.
    seams : mapping of (source, symbol) to sequence of Seam
    """

    accepted: pl.DataFrame
    announced: pl.DataFrame
    seams: Mapping[Feed, Sequence[Seam]]


def known_instant() -> pl.Expr:
    """Return when a bronze record counts as known; rows of an earlier version said it in `received_at`."""
    return pl.when(pl.col("delivery").is_null()).then("received_at").otherwise("known_at")


def said_instant() -> pl.Expr:
    """Return by which instant a bronze record's delivery is ordered: its own time, where nothing forbids it.

    What lands after a cut was read does not come before what stood then, or it would change how that reads:
    it follows all that had landed. The time of those of one landing still orders them, a microsecond for a
    second.
    """
    own, closed = pl.coalesce("delivered_at", "received_at"), pl.col("closed_until")
    behind = pl.duration(microseconds=(closed - own).dt.total_seconds())
    late = pl.max_horizontal(pl.col("landed_at") - behind, closed + TICK)
    return pl.when(own <= closed).then(late).otherwise(own).cast(pl.Datetime("us", "UTC"))


def read_bars(
    records: pl.DataFrame,
    grid: SessionGrid,
    *,
    whole: pl.Expr,
    given: Mapping[Feed, Sequence[Seam]],
    splits: Mapping[Feed, Mapping[int, Sequence[tuple[datetime, float]]]],
) -> ReadBars:
    """Return the records that keep their contract, read through the seams of their feed.

    Exact repeats are dropped; of records known at one instant the last stamp's stays, then the last
    delivery's, and of one delivery the greatest hash. Days that the grid lacks are left out, and what has no
    `known_at`: its stamp was refused.

    Parameters
    ----------
    records : polars.DataFrame
        Rows of `bronze.bars`: strings as sent, instants in UTC.
    whole : polars.Expr
        Whether all records of a row's symbol are there: only then seams are looked for.
    given : mapping of (source, symbol) to sequence of Seam
        The seams of the other symbols.
    splits : mapping of (source, symbol) to announced splits
        See `pipelines.stages.curate.seams.read_through`.
    """
    parsed = _placed(BARS.parse(records), grid)
    refused = BARS.refusals(parsed, grid.frame["session"].to_list())
    kept = parsed.join(refused, on="record_hash", how="anti") if refused.height else parsed
    seamed = _symbols_to_walk(kept, whole, given)
    plain = kept if seamed.is_empty() else kept.join(seamed, on=["source", "symbol"], how="anti")
    parts, seams = [_typed(plain)], dict[Feed, Sequence[Seam]]()
    if not seamed.is_empty():
        walked = kept.join(seamed, on=["source", "symbol"], how="semi")
        typed_walked = _typed(walked.with_columns(decimals=_decimals()))
        for (source, symbol), own in typed_walked.group_by("source", "symbol"):
            feed = str(source), str(symbol)
            rows, found = read_through(
                own, given=given.get(feed, ()), announced=splits.get(feed), detect=feed not in given
            )
            parts.append(rows.drop("decimals"))
            seams[feed] = found
    typed = pl.concat(parts, how="diagonal")
    news = typed.filter("news").sort(*KEY, "received_at", *SAID, "record_hash")
    accepted = news.unique(KEY, keep="last", maintain_order=True)
    return ReadBars(accepted, _announced(typed, parsed, refused), seams)


def _placed(parsed: pl.DataFrame, grid: SessionGrid) -> pl.DataFrame:
    """Return the records of sessions, with what belongs to their session, and when each was said."""
    said = parsed.with_columns(
        known_at=known_instant(),
        said_at=said_instant(),
        answered=pl.col("split").fill_null("").str.strip_chars() != "",
    )
    sessions = grid.frame.rename({"session": "day"})
    # Days that are none keep their place: the contract refuses them as it did at their landing.
    return said.join(sessions, on="day", how="left").filter(pl.col("known_at").is_not_null())


def _typed(kept: pl.DataFrame) -> pl.DataFrame:
    more = ("decimals",) if "decimals" in kept.columns else ()
    return kept.filter(pl.col("position").is_not_null()).select(
        "source",
        "symbol",
        pl.col("day").alias("session"),
        *("known_at", "position", "event_timestamp", "cutoff_at"),
        *(pl.col(f"{name}_value").alias(name) for name in (*VALUES, "dividend", "split")),
        *("landed_at", "known_by", "record_hash", "received_at", *SAID),
        *("closed_until", "overlap", "answered"),
        *more,
        pl.lit(value=True).alias("news"),
    )


def _symbols_to_walk(
    kept: pl.DataFrame, whole: pl.Expr, given: Mapping[Feed, Sequence[Seam]]
) -> pl.DataFrame:
    """Return the (source, symbol) whose deliveries have to be read one after the other.

    A symbol without three repeated sessions in any delivery shows no seam, and its records stand as they are.
    """
    feed = ["source", "symbol"]
    known = pl.DataFrame(list(given), schema=dict.fromkeys(feed, pl.String), orient="row")
    own = kept.filter(whole)
    repeated = own.select(*feed, "day").is_duplicated()
    often = own.filter(repeated).group_by(*feed, *SAID).len().filter(pl.col("len") >= LEAST_OVERLAP)
    return pl.concat([known, often.select(feed)]).unique().sort(feed)


def _decimals() -> pl.Expr:
    """Return how many decimals a record's prices were sent with; many where they have an exponent."""

    def of(name: str) -> pl.Expr:
        text = pl.col(name).str.strip_chars().str.to_lowercase()
        places = text.str.extract(r"\.(\d+)$", 1).str.len_chars().fill_null(0).cast(pl.Int64)
        return pl.when(text.str.contains("e", literal=True)).then(pl.lit(9)).otherwise(places)

    return pl.max_horizontal(*(of(name) for name in PRICES)).clip(upper_bound=9)


def _announced(typed: pl.DataFrame, parsed: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    """Return what the rows of bars say of actions, those of refused bars among them."""
    columns = [*KEY, "split", "dividend", "record_hash", *SAID, "position", "event_timestamp"]
    rows = [typed.select(columns)]
    # A bar may be refused for its prices; what its row says of a split is said all the same.
    if refused.height:
        bad = parsed.join(refused, on="record_hash", how="semi").filter(pl.col("position").is_not_null())
        readable = bad.drop("session", "split", "dividend").with_columns(
            session="day",
            split=pl.when(pl.col("split_value") > 0).then("split_value"),
            dividend=pl.when(pl.col("dividend_value") >= 0).then("dividend_value"),
        )
        rows.append(readable.select(columns))
    said = pl.concat(rows)
    speaks = (pl.col("split") != 1) | (pl.col("dividend") != 0)
    # That there is none is said on nearly every row: only where something was said it may take that back.
    ever = said.filter(speaks).select("source", "symbol").unique()
    return said.join(ever, on=["source", "symbol"], how="semi")


def seam_rows(seams: Mapping[Feed, Sequence[Seam]], grid: SessionGrid) -> pl.DataFrame:
    """Return the states of all changes of units, placed; see `pipelines.stages.curate.seams.chain_of`."""
    rows = [
        {"source": source, "symbol": symbol, **row}
        for (source, symbol), found in seams.items()
        if found
        for row in chain_of(found)
    ]
    instant = grid.frame.schema["event_timestamp"]
    schema: dict[str, Dtype] = {"source": pl.String, "symbol": pl.String, "position": pl.Int64}
    schema |= {"value": pl.Float64, "share_value": pl.Float64, "valid": pl.Boolean}
    schema |= {"known_at": instant, "delivered_at": instant, "delivery": pl.String}
    states = pl.DataFrame(rows, schema=schema)
    return states.join(grid.frame.drop("cutoff_at"), on="position", how="inner")


def seams_of(rows: pl.DataFrame, grid: SessionGrid) -> dict[Feed, list[Seam]]:
    """Return the seams that versions of changes of units amount to: the way back from `chain_of`.

    Parameters
    ----------
    rows : polars.DataFrame
        Rows of `silver.actions` that deliveries have shown.
    """
    found: dict[Feed, list[Seam]] = {}
    stood: dict[tuple[str, str, int], tuple[float, float]] = {}
    for row in grid.placed(rows.drop("event_timestamp")).sort("known_at").iter_rows(named=True):
        place = row["source"], row["symbol"], row["position"]
        price, share = (row["value"], row["share_value"]) if row["valid"] else (1.0, 1.0)
        before = stood.get(place, (1.0, 1.0))
        stood[place] = price, share
        seam = Seam(
            position=row["position"],
            price=price / before[0],
            share=share / before[1],
            known_at=row["known_at"],
            order=(row["delivered_at"], row["delivery"]),
        )
        found.setdefault(place[:2], []).append(seam)
    return found
