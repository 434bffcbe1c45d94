"""Pure steps of curate: from the set of a key's records to the chain of its versions."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from pipelines.stages.curate.params import CurateParams
from pipelines.stages.curate.ticks import judge_suspects, suspect_bars
from pipelines.tables.contracts import SILVER_ACTIONS, SILVER_BARS, SILVER_TEXT
from pipelines.tables.record_kinds import BARS, TEXTS
from pipelines.tables.session_grid import SessionGrid
from pipelines.tables.version_chains import drop_repeated_states, month_of_session

FOLLOW = ("received_at", "delivered_at", "delivery")
"""How records that count as known at one instant follow one another: by stamp, then by delivery."""
VALUES = ("open", "high", "low", "close", "volume", "dividend", "split")


def accepted_bars(records: pl.DataFrame, grid: SessionGrid) -> pl.DataFrame:
    """Return the bronze records that keep their contract, typed, one a (source, symbol, session, known_at).

    Exact repeats are dropped; of records known at one instant the last stamp's stays, then the last
    delivery's, and of one delivery the greatest hash.

    Parameters
    ----------
    records : polars.DataFrame
        Rows of `bronze.bars`: strings as sent, instants in UTC.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session`, `known_at`, prices and volume as sent (Float64, never null), `dividend` (per
        share) and `split` (new shares for one old), `source`, `landed_at`, `known_by`, `record_hash` and the
        columns of the grid; sorted by key. Days that the grid lacks are left out, and what has no `known_at`:
        its stamp was refused.
    """
    parsed = BARS.parse(records)
    refused = BARS.refusals(parsed, grid.frame["session"].to_list())
    kept = parsed.join(refused, on="record_hash", how="anti")
    typed = kept.select(
        "symbol",
        pl.col("day").alias("session"),
        known_instant().alias("known_at"),
        *(pl.col(f"{name}_value").alias(name) for name in VALUES),
        *("source", "landed_at", "known_by", "record_hash", *FOLLOW),
    ).drop_nulls("known_at")
    order = ["source", "symbol", "session", "known_at"]
    last = typed.sort(*order, *FOLLOW, "record_hash")
    unique = last.unique(order, keep="last", maintain_order=True).drop(FOLLOW)
    return unique.join(grid.frame, on="session", how="inner").sort(order)


def known_instant() -> pl.Expr:
    """Return when a bronze record counts as known; rows of an earlier version said it in `received_at`."""
    return pl.when(pl.col("delivery").is_null()).then("received_at").otherwise("known_at")


def bar_versions(
    records: pl.DataFrame, *, grid: SessionGrid, params: CurateParams, price_basis: Mapping[str, str]
) -> pl.DataFrame:
    """Return the chain of versions of every wanted (source, symbol, session).

    Parameters
    ----------
    records : polars.DataFrame
        All bronze bars of the wanted sessions and of two sessions before and one after each.
    price_basis : mapping of source to {"raw", "split", "total_return"}

    Returns
    -------
    polars.DataFrame
        Rows of `silver.bars`. Whatever order the records arrived in, the rows are the same.
    """
    accepted = accepted_bars(records, grid)
    feeds = accepted.partition_by("source", maintain_order=True) or [accepted]
    versions = pl.concat([_feed_versions(feed, params) for feed in feeds])
    basis = pl.col("source").replace_strict(
        list(price_basis), list(price_basis.values()), default=None, return_dtype=pl.String
    )
    stamped = versions.filter(grid.wanted()).with_columns(month_of_session(), basis.alias("price_basis"))
    return stamped.select(SILVER_BARS.columns)


def _feed_versions(accepted: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the judged chains of one feed's accepted bars."""
    suspects = suspect_bars(accepted, params)
    plain = accepted.join(suspects, on=["symbol", "position"], how="anti").with_columns(
        suspect=pl.lit(value=False), valid=pl.lit(value=True)
    )
    judged = judge_suspects(accepted, suspects, params)
    return drop_repeated_states(
        pl.concat([plain, judged.select(plain.columns)]), ("symbol", "session"), (*VALUES, "suspect", "valid")
    )


def action_versions(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the splits and dividends that the versions of the bars announce.

    Parameters
    ----------
    bars : polars.DataFrame
        Rows of `silver.bars`, whole chains.

    Returns
    -------
    polars.DataFrame
        Rows of `silver.actions`; an announcement taken back is a version with ``valid=false``.
    """
    kinds = [_announced(bars, kind, neutral) for kind, neutral in (("split", 1.0), ("dividend", 0.0))]
    return pl.concat(kinds)


def _announced(bars: pl.DataFrame, kind: str, neutral: float) -> pl.DataFrame:
    there = (pl.col(kind) != neutral).fill_null(value=False)
    rows = bars.with_columns(kind=pl.lit(kind), valid=there, value=pl.when(there).then(pl.col(kind)))
    key = ("source", "symbol", "session")
    ever = pl.col("valid").cum_max().over(*key, order_by="known_at")
    return drop_repeated_states(rows.filter(ever), key, ("value", "valid")).select(SILVER_ACTIONS.columns)


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
