"""What a record says of itself: when it happened, when it was sent, and whether it can be used at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.world import calendar as exchange
from tests.world.records import Bar, FeedRules, Text

ASSUMED, OBSERVED, STAMP = "assumed", "observed", "stamp"


class AmbiguousWorldError(AssertionError):
    """A world that asks what the rules leave open; the player must not make it."""


def assumed(record: Bar | Text) -> tuple[datetime, str]:
    """Return when a record is known that came in time as far as anybody can tell."""
    return event(record) + lag_of("bars" if isinstance(record, Bar) else "texts"), ASSUMED


def lag_of(kind: str) -> timedelta:
    """Return how long after its event a record of a feed without stamps is known."""
    return exchange.BAR_LAG if kind == "bars" else exchange.TEXT_LAG


def event(record: Bar | Text) -> datetime:
    """Return what instant a record is about."""
    if isinstance(record, Bar):
        return exchange.close(record.session)
    published = instant_of(record.published_at)
    if published is None:
        msg = f"{record} has no time of publication"
        raise AmbiguousWorldError(msg)
    return published


def instant_of(written: str | None) -> datetime | None:
    """Read an ISO instant, one without an offset in New York's time; None for anything else."""
    try:
        moment = datetime.fromisoformat(written or "")
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=exchange.NEW_YORK)
    return aware.astimezone(UTC)


def rules_broken(record: Bar | Text, rules: FeedRules, clock: datetime) -> list[str]:
    """Return the rules that keep a record out of every view."""
    broken = []
    if isinstance(record, Bar):
        opened, high, low, closed = (float(price) for price in record.prices[:4])
        if min(opened, high, low, closed) <= 0:
            broken.append("positive")
        if high < max(opened, low, closed) or low > min(opened, closed):
            broken.append("ohlc")
    if event(record) > clock + exchange.SKEW:
        broken.append("event_in_future")
    if rules.stamped:
        stamp = instant_of(record.received_at)
        if stamp is None:
            broken.append("unreadable_received_at")
        elif stamp < event(record):
            broken.append("received_before_event")
        elif stamp > clock + exchange.SKEW:
            broken.append("received_in_future")
    return broken
