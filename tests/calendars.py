"""The exchange's calendar, known otherwise than the library knows it."""

from __future__ import annotations

from datetime import date

import numpy as np

from features.sessions import SessionCalendar


def altered(
    *, without: date | None = None, early: date | None = None, last: date | None = None
) -> SessionCalendar:
    """Return XNYS without a session, with one that closes an hour early, or known up to a day alone."""
    calendar = SessionCalendar()
    parts = {name: np.array(getattr(calendar, name)) for name in ("_days", "_opens", "_closes", "_cutoffs")}
    days = parts["_days"]
    if early is not None:
        parts["_closes"][days == np.datetime64(early)] -= np.timedelta64(1, "h")
    kept = np.full(len(days), fill_value=True)
    if without is not None:
        kept &= days != np.datetime64(without)
    if last is not None:
        kept &= days <= np.datetime64(last)
    vars(calendar).update({name: part[kept] for name, part in parts.items()})
    return calendar
