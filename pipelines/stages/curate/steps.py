"""Pure steps of curate: from the set of a key's records to the chain of its versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.stages.curate.params import CurateParams
from pipelines.stages.curate.ticks import candidates, judge_candidates
from pipelines.tables.contracts import SILVER_ACTIONS, SILVER_BARS, SILVER_TEXT
from pipelines.tables.record_kinds import BARS, TEXTS

VALUES = ("open", "high", "low", "close", "volume", "dividend", "split")
STATE = (*VALUES, "suspect", "valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """The sessions around a run.

    Attributes
    ----------
    frame : polars.DataFrame
        `session`, `event_timestamp` and `position` (index in the calendar), ascending.
    touched : sequence of date or None
        Sessions whose chains are wanted; None for all.
    """

    frame: pl.DataFrame
    touched: Sequence[date] | None

    def wanted(self) -> pl.Expr:
        """Return the condition that a row's session is wanted."""
        if self.touched is None:
            return pl.lit(value=True)
        return pl.col("session").is_in(pl.Series(self.touched, dtype=pl.Date).implode())


def accepted_bars(records: pl.DataFrame, sessions: Sessions) -> pl.DataFrame:
    """Return the bronze records that keep their contract, typed, one a (symbol, session, known_at).

    Exact repeats are dropped; of records that contradict each other at one instant the greatest
    hash stays.
    """
    refused = BARS.refusals(records, sessions.frame["session"].to_list())
    kept = BARS.parse(records.join(refused, on="record_hash", how="anti"))
    typed = kept.select(
        "symbol",
        pl.col("day").alias("session"),
        pl.col("received_at").alias("known_at"),
        *(pl.col(f"{name}_value").alias(name) for name in VALUES),
        "source",
        "record_hash",
    )
    order = ["symbol", "session", "known_at"]
    unique = typed.sort(*order, "record_hash").unique(order, keep="last", maintain_order=True)
    return unique.join(sessions.frame, on="session", how="inner").sort(order)


def bar_versions(
    records: pl.DataFrame, *, sessions: Sessions, params: CurateParams, price_basis: str
) -> pl.DataFrame:
    """Return the chain of versions of every wanted (symbol, session).

    Parameters
    ----------
    records : polars.DataFrame
        All bronze bars of the wanted sessions and of two sessions before and one after each.

    Returns
    -------
    polars.DataFrame
        Rows of `silver.bars`. Whatever order the records arrived in, the rows are the same.
    """
    accepted = accepted_bars(records, sessions)
    doubtful = candidates(accepted, params)
    plain = accepted.join(doubtful, on=["symbol", "position"], how="anti").with_columns(
        suspect=pl.lit(value=False), valid=pl.lit(value=True)
    )
    judged = judge_candidates(accepted, doubtful, params)
    versions = drop_repeats(pl.concat([plain, judged.select(plain.columns)]), ("symbol", "session"), STATE)
    return versions.filter(sessions.wanted()).select(
        *(_bar_column(name, price_basis) for name in SILVER_BARS.columns)
    )


def _bar_column(name: str, price_basis: str) -> pl.Expr:
    if name == "month":
        return month()
    return pl.lit(price_basis).alias(name) if name == "price_basis" else pl.col(name)


def month() -> pl.Expr:
    """Return the partition value of a session: ``YYYY-MM``."""
    return pl.col("session").dt.strftime("%Y-%m").alias("month")


def drop_repeats(rows: pl.DataFrame, key: Sequence[str], state: Sequence[str]) -> pl.DataFrame:
    """Return `rows` without those that only repeat the state known before; A → B → A stays three."""
    ordered = rows.sort(*key, "known_at")
    same_key = pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in key))
    same_state = pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in state))
    first = pl.int_range(pl.len()) == 0
    return ordered.filter(first | ~(same_key & same_state))


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
    rows = bars.sort("symbol", "session", "known_at").with_columns(
        kind=pl.lit(kind), valid=there, value=pl.when(there).then(pl.col(kind))
    )
    ever = pl.col("valid").cum_max().over("symbol", "session", order_by="known_at")
    return drop_repeats(rows.filter(ever), ("symbol", "session"), ("value", "valid")).select(
        SILVER_ACTIONS.columns
    )


def text_rows(records: pl.DataFrame, *, sessions: Sessions) -> pl.DataFrame:
    """Return one row for each deduplicated text and symbol: the copy that was known first.

    Parameters
    ----------
    records : polars.DataFrame
        Bronze texts of the wanted sessions with `text_id`.
    """
    refused = TEXTS.refusals(records, [])
    kept = TEXTS.parse(records.join(refused, on="record_hash", how="anti")).rename(
        {"session_date": "session"}
    )
    known = kept.with_columns(known_at=pl.col("received_at"), published_at=pl.col("published"))
    first = known.sort("known_at", "published_at", "record_hash").unique(
        ["text_id", "symbol"], keep="first", maintain_order=True
    )
    placed = first.join(sessions.frame, on="session", how="inner").filter(sessions.wanted())
    return placed.with_columns(month()).select(SILVER_TEXT.columns)


def quality_findings(bars: pl.DataFrame, *, sessions: Sessions, stale_sessions: int) -> pl.DataFrame:
    """Return what is reported and never mended: gaps and stale prices.

    Parameters
    ----------
    bars : polars.DataFrame
        Versions of bars; the newest version of each key is judged.

    Returns
    -------
    polars.DataFrame
        `symbol`, `finding` (``gap``: a session without a bar between two with one; ``stale``: a
        close unchanged, without volume, for `stale_sessions` sessions or more) and `session`.
    """
    newest = (
        bars.sort("known_at")
        .unique(["symbol", "session"], keep="last")
        .select("symbol", "session", "close", "volume")
    )
    rows = newest.join(sessions.frame, on="session", how="inner").sort("symbol", "position")
    skipped = pl.col("position") - pl.col("position").shift(1).over("symbol") - 1
    gaps = rows.with_columns(missing=skipped).filter(pl.col("missing") > 0)
    moved = ((pl.col("close") != pl.col("close").shift(1)) | (pl.col("volume") > 0)).fill_null(value=True)
    runs = rows.with_columns(run=moved.cum_sum().over("symbol"))
    stale = runs.filter(pl.len().over("symbol", "run") > stale_sessions)
    found = [
        gaps.select("symbol", pl.lit("gap").alias("finding"), "session", pl.col("missing").cast(pl.Int64)),
        stale.select(
            "symbol", pl.lit("stale").alias("finding"), "session", pl.lit(1, pl.Int64).alias("missing")
        ),
    ]
    return pl.concat(found)
