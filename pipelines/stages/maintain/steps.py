"""What has outlived its retention; pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

DATE_LENGTH = len("2026-11-10")


def select_expired(names: Iterable[str], as_of: date, retention_days: int) -> list[str]:
    """Return the names that begin with a session older than `retention_days` before `as_of`, sorted.

    A name that begins with no date is kept.
    """
    oldest = as_of - timedelta(days=retention_days)
    return sorted(name for name in names if (session := _session(name)) and session < oldest)


def _session(name: str) -> date | None:
    try:
        return date.fromisoformat(name[:DATE_LENGTH])
    except ValueError:
        return None
