"""Pure steps of curate: from the set of a key's records to the chain of its versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from pipelines.base.table import Dtype
from pipelines.stages.curate.evidence import EVIDENCE, gather_evidence
from pipelines.stages.curate.jumps import JumpRules, unexplained_jumps
from pipelines.stages.curate.params import CurateParams
from pipelines.stages.curate.records import VALUES, Feed, known_instant, read_bars, seam_rows
from pipelines.stages.curate.seams import Seam
from pipelines.stages.curate.ticks import judge_suspects, suspect_bars
from pipelines.stages.curate.units import KEY, PLACE, Timeline, announced_chains, weigh
from pipelines.tables.contracts import (
    BRONZE_ACTIONS,
    BRONZE_BARS,
    OPS_QUARANTINE,
    SILVER_ACTIONS,
    SILVER_BARS,
    SILVER_TEXT,
)
from pipelines.tables.record_kinds import ACTIONS, TEXTS
from pipelines.tables.session_grid import SessionGrid
from pipelines.tables.version_chains import drop_repeated_states, month_of_session

BARS_PART, ACTIONS_PART = "bars", "actions"
RECORD_COLUMNS: dict[str, Dtype] = {
    name: dtype
    for name, dtype in {**BRONZE_BARS.schema, **BRONZE_ACTIONS.schema}.items()
    if name not in {"batch_id", "ingest_date"}
}
"""What is read of bronze: columns of bars, of actions or of both."""
BLOCK: dict[str, Any] = {"part": pl.String, **SILVER_BARS.schema, **SILVER_ACTIONS.schema, **EVIDENCE}
"""Columns of `curate_block`: a row is of one ``part`` and null in the columns of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose rows are wanted: those of some sessions, and of some symbols all.

    Attributes
    ----------
    sessions : sequence of date or None
        None for all.
    symbols : frozenset of str
        Those of which all records are there.
    """

    sessions: Sequence[date] | None
    symbols: frozenset[str] = frozenset()

    def rows(self) -> pl.Expr:
        """Return the condition that a row is wanted."""
        if self.sessions is None:
            return pl.lit(value=True)
        touched = pl.col("session").is_in(pl.Series(self.sessions, dtype=pl.Date).implode())
        return touched | self.whole()

    def whole(self) -> pl.Expr:
        """Return the condition that all records of a row's symbol are there."""
        if self.sessions is None:
            return pl.lit(value=True)
        return pl.col("symbol").is_in(sorted(self.symbols))


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRules:
    """What bars and actions are curated by.

    Attributes
    ----------
    grid : SessionGrid
        Every session of the records.
    wanted : Wanted
    params : CurateParams
    price_basis : mapping of source to {"raw", "split", "total_return"}
    actions_of : mapping of source of bars to source of its actions
    given : mapping of (source, symbol) to sequence of Seam
        Seams of the symbols of which not all records are there.
    asked : sequence of (after, until, known_at)
        What the feed of actions has been read for, and since when that is known.
    accepted_jumps : mapping of (source, symbol, position) to instants
    """

    grid: SessionGrid
    wanted: Wanted
    params: CurateParams
    price_basis: Mapping[str, str]
    actions_of: Mapping[str, str]
    given: Mapping[Feed, Sequence[Seam]]
    asked: Sequence[tuple[datetime, datetime, datetime]]
    accepted_jumps: Mapping[tuple[str, str, int], Sequence[datetime]]


def curate_block(rows: pl.DataFrame, *, rules: BarRules) -> pl.DataFrame:
    """Return the versions of bars and actions of some symbols.

    Parameters
    ----------
    rows : polars.DataFrame
        Records of `bronze.bars` and `bronze.actions`, told apart by ``record`` ("bar", "action"): of the
        wanted symbols all, of others those of the wanted sessions and of as many before as judge them.

    Returns
    -------
    polars.DataFrame
        `BLOCK`: bars, actions and what the prices around the actions show. Whatever order the records arrived
        in, the rows are the same.
    """
    bars, sent = (rows.filter(pl.col("record") == record) for record in ("bar", "action"))
    feed = announced_actions(sent, rules)
    read = read_bars(bars, rules.grid, whole=rules.wanted.whole(), given=rules.given, splits=_splits_of(feed))
    chains = announced_chains(read.announced, feed)
    seams = seam_rows(read.seams, rules.grid)
    units = weigh(chains, seams, read.accepted, rules.price_basis)
    versions = bar_versions(read.accepted, units.factors, rules)
    jump_rules = JumpRules(
        tolerance=rules.params.jump_tolerance,
        price_basis=rules.price_basis,
        asked=rules.asked,
        accepted=rules.accepted_jumps,
    )
    jumps = unexplained_jumps(versions, read.accepted, units.factors, jump_rules)
    actions = pl.concat([units.actions, jumps], how="diagonal")
    parts = [
        _finished(versions, rules, SILVER_BARS.schema).with_columns(part=pl.lit(BARS_PART)),
        _finished(actions, rules, SILVER_ACTIONS.schema).with_columns(part=pl.lit(ACTIONS_PART)),
        gather_evidence(versions, seams, chains),
    ]
    return pl.concat(parts, how="diagonal").select(list(BLOCK))


def _finished(rows: pl.DataFrame, rules: BarRules, schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return the wanted rows in the columns of their table."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
    finished = rows.filter(rules.wanted.rows()).with_columns(*absent).with_columns(month_of_session())
    return finished.select(list(schema))


def announced_actions(sent: pl.DataFrame, rules: BarRules) -> pl.DataFrame:
    """Return what feeds of actions say of the feeds of bars that they belong to, refused records left out.

    Returns
    -------
    polars.DataFrame
        `source` (of the bars), `symbol`, `session`, `position`, `event_timestamp`, `kind`, `value`,
        `known_at`, `said_at`, `delivery`, `record_hash`.
    """
    parsed = ACTIONS.parse(sent)
    refused = ACTIONS.refusals(parsed, []) if sent.height else parsed.select("record_hash").clear()
    sources = pl.DataFrame(
        list(rules.actions_of.items()), schema={"bars": pl.String, "source": pl.String}, orient="row"
    )
    kept = parsed.join(refused, on="record_hash", how="anti").join(sources, on="source", how="inner")
    placed = kept.drop("session", "kind", "value", "source").rename(
        {"session_date": "session", "action": "kind", "amount": "value", "bars": "source"}
    )
    return rules.grid.placed(placed.drop_nulls("known_at")).select(
        *KEY, "position", "event_timestamp", "kind", "value", "known_at",
        pl.coalesce("delivered_at", "received_at").alias("said_at"), "delivery", "record_hash",
    )  # fmt: skip


def contradicted_splits(splits: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `ops.quarantine` for splits that raw prices contradict by now.

    Parameters
    ----------
    splits : polars.DataFrame
        Rows of `silver.actions`: one that is not valid and yet has its ratio was announced and not seen.
    """
    newest = splits.sort("known_at").unique(list(KEY), keep="last", maintain_order=True)
    against = newest.filter(~pl.col("valid") & pl.col("value").is_not_null()).sort("symbol", "session")
    return against.with_columns(
        pl.lit("curate").alias("batch_id"),
        pl.lit("contradicts_price_basis").alias("rule"),
        pl.lit("actions").alias("kind"),
        pl.col("session").dt.to_string("%Y-%m-%d"),
        pl.lit("value").alias("place"),
        pl.struct("symbol", "session", "value").struct.json_encode().alias("payload"),
        pl.col("known_at").alias("received_at"),
    ).select(OPS_QUARANTINE.columns)


def _splits_of(feed: pl.DataFrame) -> dict[Feed, dict[int, list[tuple[datetime, float]]]]:
    """Return the announced splits of each feed by session: when each was heard of, and its ratio."""
    found: dict[Feed, dict[int, list[tuple[datetime, float]]]] = {}
    splits = feed.filter((pl.col("kind") == "split") & (pl.col("value") != 1))
    for source, symbol, position, known_at, value in splits.select(*PLACE, "known_at", "value").rows():
        found.setdefault((source, symbol), {}).setdefault(position, []).append((known_at, value))
    return found


def bar_versions(
    accepted: pl.DataFrame, factors: Mapping[tuple[str, str, int], Timeline], rules: BarRules
) -> pl.DataFrame:
    """Return the judged chain of versions of every (source, symbol, session).

    Parameters
    ----------
    accepted : polars.DataFrame
        See `pipelines.stages.curate.records.ReadBars`.
    factors : mapping of (source, symbol, position) to Timeline
        Changes of units; see `pipelines.stages.curate.units.Units`.

    Returns
    -------
    polars.DataFrame
        The columns of `accepted`, `price_basis`, `suspect` and `valid`; prices and volume null while a bar is
        retracted.
    """
    priced = with_units(accepted, factors)
    feeds = priced.partition_by("source", maintain_order=True) or [priced]
    versions = pl.concat([_feed_versions(feed, rules.params) for feed in feeds])
    basis = pl.col("source").replace_strict(
        list(rules.price_basis), list(rules.price_basis.values()), default=None, return_dtype=pl.String
    )
    return versions.with_columns(basis.alias("price_basis"))


def with_units(accepted: pl.DataFrame, factors: Mapping[tuple[str, str, int], Timeline]) -> pl.DataFrame:
    """Return the records with ``unit``: times it, a price is in the units of the session before.

    Where units changed after a record, it is repeated as it stood then.
    """
    rows = [
        (*place, instant, unit)
        for place, line in factors.items()
        for instant, unit in zip(line.instants, line.states, strict=True)
    ]
    if not rows:
        return accepted.with_columns(unit=pl.lit(1.0))
    schema: dict[str, Any] = {name: accepted.schema[name] for name in (*PLACE, "known_at")}
    schema["unit"] = pl.Float64
    changes = pl.DataFrame(rows, schema=schema, orient="row").sort("known_at")
    places = changes.select(PLACE).unique()
    own = accepted.join(places, on=PLACE, how="semi").sort("known_at")
    instants = pl.concat([own.select(*PLACE, "known_at"), changes.select(*PLACE, "known_at")]).unique()
    states = (
        instants.sort("known_at")
        .join_asof(own, on="known_at", by=PLACE, strategy="backward", check_sortedness=False)
        .drop_nulls("close")
        .join_asof(changes, on="known_at", by=PLACE, strategy="backward", check_sortedness=False)
    )
    others = accepted.join(places, on=PLACE, how="anti").with_columns(unit=pl.lit(1.0))
    return pl.concat([others, states.with_columns(pl.col("unit").fill_null(1.0)).select(others.columns)])


def _feed_versions(priced: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the judged chains of one feed's bars."""
    suspects = suspect_bars(priced, params)
    plain = priced.join(suspects, on=["symbol", "position"], how="anti").with_columns(
        suspect=pl.lit(value=False), valid=pl.lit(value=True)
    )
    judged = judge_suspects(priced, suspects, params)
    return drop_repeated_states(
        pl.concat([plain, judged.select(plain.columns)]), ("symbol", "session"), (*VALUES, "suspect", "valid")
    )


def text_rows(records: pl.DataFrame, *, grid: SessionGrid) -> pl.DataFrame:
    """Return one row for each feed's deduplicated text and symbol: the copy that was known first.

    Parameters
    ----------
    records : polars.DataFrame
        Bronze texts of the wanted sessions with `text_id`.

    Returns
    -------
    polars.DataFrame
        Rows of `silver.text`, instants in UTC; `known_at` is when the first copy was known.
    """
    parsed = TEXTS.parse(records)
    refused = TEXTS.refusals(parsed, [])
    kept = parsed.join(refused, on="record_hash", how="anti").rename({"session_date": "session"})
    known = kept.with_columns(known_at=known_instant(), published_at=pl.col("published"))
    first = (
        known.drop_nulls("known_at")
        .sort("known_at", "published_at", "record_hash")
        .unique(["source", "text_id", "symbol"], keep="first", maintain_order=True)
    )
    placed = first.join(grid.frame, on="session", how="inner").filter(grid.wanted())
    return placed.with_columns(month_of_session()).select(SILVER_TEXT.columns)


def quality_findings(bars: pl.DataFrame, *, grid: SessionGrid, stale_sessions: int) -> pl.DataFrame:
    """Return what is reported and never mended: gaps and stale prices of the wanted sessions.

    Parameters
    ----------
    bars : polars.DataFrame
        Versions of bars, of the wanted sessions and of `stale_sessions` before them; the newest version of
        each key is judged.

    Returns
    -------
    polars.DataFrame
        `symbol`, `finding` (``gap``: a session without a bar between two with one; ``stale``: a
        close unchanged, without volume, for `stale_sessions` sessions or more) and `session`.
    """
    feed = ("source", "symbol")
    newest = (
        bars.sort("known_at")
        .unique([*feed, "session"], keep="last")
        .select(*feed, "session", "close", "volume")
    )
    rows = newest.join(grid.frame, on="session", how="inner").sort(*feed, "position")
    skipped = pl.col("position") - pl.col("position").shift(1).over(*feed) - 1
    gaps = rows.with_columns(missing=skipped.cast(pl.Int64)).filter(pl.col("missing") > 0)
    same = pl.col("close") == pl.col("close").shift(1).over(*feed)
    moved = (~same | (pl.col("volume") > 0)).fill_null(value=True)
    runs = rows.with_columns(run=moved.cum_sum().over(*feed))
    stale = runs.filter(pl.len().over(*feed, "run") > stale_sessions)
    found = [
        gaps.select("symbol", pl.lit("gap").alias("finding"), "session", "missing"),
        stale.select(
            "symbol", pl.lit("stale").alias("finding"), "session", pl.lit(1, pl.Int64).alias("missing")
        ),
    ]
    return pl.concat(found).filter(grid.wanted())
