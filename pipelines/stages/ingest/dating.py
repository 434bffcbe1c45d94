"""When a record counts as known: by its stamp, by assumption, or from when it was observed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from features.sessions import INSTANT, SessionCalendar

SKEW = timedelta(minutes=2)
"""By so much a vendor's clock may be ahead of ours before its stamp is taken for wrong."""
TICK = timedelta(microseconds=1)
RULES = {
    "unreadable_received_at": "received_at",
    "received_before_event": "received_at",
    "received_in_future": "received_at",
    "event_in_future": "session",
}
"""Rules about a record's instants, and the column that is named for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """When what lands in this run was observed.

    Attributes
    ----------
    landed_at : datetime
        The clock.
    at : datetime
        The observation instant: the clock, or the cut that has just passed and that nobody has read yet,
        since a command always runs a little after its own tick.
    assumed : bool
        Whether it is that cut.
    closed_until : datetime or None
        The last cut that was read: nothing may become known at or before it any more.
    """

    landed_at: datetime
    at: datetime
    assumed: bool
    closed_until: datetime | None

    @property
    def known_by(self) -> str:
        """What a record is known by that counts from here on."""
        return "assumed" if self.assumed else "observed"


def observe(
    calendar: SessionCalendar, now: datetime, *, grace: timedelta, closed_until: datetime | None
) -> Observation:
    """Return the observation instant of what lands now."""
    cut = calendar.cutoff_at(calendar.last_cut(now))
    assumed = cut <= now <= cut + grace and (closed_until is None or closed_until < cut)
    return Observation(landed_at=now, at=cut if assumed else now, assumed=assumed, closed_until=closed_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dating:
    """How the records of one feed are dated in one run.

    Attributes
    ----------
    stamped : bool
        Whether the feed says when a record arrived.
    lag : timedelta
        From a bar's close (a text's publication) to when it counts as known where nothing says it.
    covered : sequence of (datetime, datetime)
        Half-open intervals ``(after, until]`` that finished runs have read: of arrivals for a stamped feed,
        of events for another.
    missing : collection of date
        Sessions that finished runs have looked for and found incomplete.
    stamps_from : datetime or None
        Earlier stamps say nothing.
    history : bool
        Whether this is a history load.
    known_symbols : collection of str or None
        In a history load the symbols that bronze held before it; None where it does not matter.
    ahead : bool
        Whether a record may be known before its event, as what is announced is.
    """

    observation: Observation
    stamped: bool
    lag: timedelta
    covered: Sequence[tuple[datetime, datetime]]
    missing: Collection[date]
    stamps_from: datetime | None
    history: bool
    known_symbols: Collection[str] | None
    ahead: bool = False


def find_misdated(dating: Dating) -> dict[str, pl.Expr]:
    """Return the condition of each rule of `RULES` over `event_at`, `stamp` and `stamp_sent`.

    `stamp_sent` is what the feed wrote, `stamp` the instant read from it (UTC, null if unreadable). Only a
    stamped feed's records can break the rules about stamps, and none that is announced ahead those about its
    event: there may be no rule at all.
    """
    latest = pl.lit(dating.observation.landed_at + SKEW, INSTANT)
    stamp, event = pl.col("stamp"), pl.col("event_at")
    # An unreadable event has a rule of its own, and nothing to be before or after.
    rules: dict[str, pl.Expr] = {}
    if not dating.ahead:
        rules["event_in_future"] = (event > latest).fill_null(value=False)
    if dating.stamped:
        rules["unreadable_received_at"] = stamp.is_null()
        rules["received_in_future"] = (stamp > latest).fill_null(value=False)
    if dating.stamped and not dating.ahead:
        rules["received_before_event"] = (stamp < event).fill_null(value=False)
    return rules


def date_records(records: pl.DataFrame, dating: Dating) -> pl.DataFrame:
    """Return the records with `known_at` and `known_by`.

    Parameters
    ----------
    records : polars.DataFrame
        `symbol`, `day`, `event_at`, `stamp`, `last_known_at` (UTC instants), `in_bronze` (whether the key is
        there already) and `misdated` (whether a rule of `RULES` is broken).

    Returns
    -------
    polars.DataFrame
        `known_by` is ``stamp``, ``assumed`` or ``observed``. Both are null for a misdated record, which
        therefore has no version, and where the event cannot be read.
    """
    seen = dating.observation
    observed = pl.max_horizontal(pl.lit(seen.at, INSTANT), pl.col("last_known_at") + TICK)
    event, stamp = pl.col("event_at"), pl.col("stamp")
    by_lag, assumed = event + dating.lag, pl.lit("assumed")
    if dating.ahead:
        # Announced ahead of its event, it was had when it was seen.
        early = by_lag > pl.lit(seen.at, INSTANT)
        by_lag = pl.when(early).then(observed).otherwise(by_lag)
        assumed = pl.when(early).then(pl.lit(seen.known_by)).otherwise(assumed)
    if dating.stamped:
        before = dating.stamps_from
        no_stamp = pl.lit(value=False) if before is None else stamp < pl.lit(before, INSTANT)
        read = _within(stamp, dating.covered) & ~_is_new_symbol(dating)
        # Observed at the cut that has just passed, yet stamped after it: never before its own stamp.
        read &= stamp <= pl.lit(seen.at, INSTANT)
        known = (
            pl.when(read).then(pl.lit(seen.at, INSTANT))
            .when(no_stamp).then(by_lag)
            .otherwise(stamp)
        )  # fmt: skip
        by = (
            pl.when(read).then(pl.lit(seen.known_by))
            .when(no_stamp).then(assumed)
            .otherwise(pl.lit("stamp"))
        )  # fmt: skip
    else:
        first = _is_first_delivery(dating)
        known = pl.when(first).then(by_lag).otherwise(observed)
        by = pl.when(first).then(assumed).otherwise(pl.lit(seen.known_by))
    dated = records.with_columns(known.cast(INSTANT).alias("known_at"), by.alias("known_by"))
    return _close(dated, dating).with_columns(
        pl.when(~pl.col("misdated")).then(pl.col(name)).alias(name) for name in ("known_at", "known_by")
    )


def _is_first_delivery(dating: Dating) -> pl.Expr:
    """Return the condition that nobody can have looked for a record in vain before it came."""
    missing = pl.Series(sorted(dating.missing), dtype=pl.Date).implode()
    asked = _within(pl.col("event_at"), dating.covered) | pl.col("day").is_in(missing).fill_null(value=False)
    return (~pl.col("in_bronze") & ~asked) | _is_new_symbol(dating)


def _is_new_symbol(dating: Dating) -> pl.Expr:
    """Return the condition that a history load brings a symbol which nobody had asked for before it."""
    if not dating.history or dating.known_symbols is None:
        return pl.lit(value=False)
    return ~pl.col("symbol").is_in(sorted(dating.known_symbols)).fill_null(value=True)


def _close(dated: pl.DataFrame, dating: Dating) -> pl.DataFrame:
    """Move what would be known at or before a cut that was read to the observation instant.

    A clock that was set back must not undo this, so it is never earlier than just after that cut.
    """
    seen = dating.observation
    if seen.closed_until is None:
        return dated
    closed = pl.lit(seen.closed_until, INSTANT)
    late = pl.col("known_at") <= closed
    if dating.history:
        late &= pl.col("in_bronze")
    moved = pl.max_horizontal(pl.lit(seen.at, INSTANT), closed + TICK, pl.col("last_known_at") + TICK)
    return dated.with_columns(
        pl.when(late).then(moved).otherwise("known_at").cast(INSTANT).alias("known_at"),
        pl.when(late).then(pl.lit(seen.known_by)).otherwise("known_by").alias("known_by"),
    )


def _within(instant: pl.Expr, intervals: Sequence[tuple[datetime, datetime]]) -> pl.Expr:
    """Return the condition that an instant lies in one of some half-open intervals; false for null."""
    held = [
        (instant > pl.lit(after, INSTANT)) & (instant <= pl.lit(until, INSTANT)) for after, until in intervals
    ]
    return pl.any_horizontal(*held).fill_null(value=False) if held else pl.lit(value=False)
