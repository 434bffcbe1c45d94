"""What reads as of a session waits for its cut: before it, what the session knows is not settled."""

from __future__ import annotations

from datetime import date

from pipelines.base.context import Context
from pipelines.base.errors import TransientError


def wait_for_cut(context: Context, as_of: date) -> None:
    """Stop a run that comes before the information cut of its as-of.

    Raises
    ------
    TransientError
        Naming the instant from which on it can be done.
    """
    now, cut = context.clock(), context.calendar.cutoff_at(as_of)
    if now < cut:
        msg = (
            f"the information of session {as_of} is cut off at {cut.isoformat()}, and it is "
            f"{now.isoformat(timespec='seconds')} now: run this again then, or name an earlier session"
        )
        raise TransientError(msg)
