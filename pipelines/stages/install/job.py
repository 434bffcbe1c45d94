"""Bring what is served in line with the ledger."""

from __future__ import annotations

from pipelines.base.context import Context
from pipelines.base.report import Outcome, SessionRange, Status, nothing_to_do
from pipelines.registry.installation import install


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Install the ledger's newest champion, whatever the as-of: one service answers for all sessions."""
    installed = install(context)
    if installed is None:
        return nothing_to_do(f"no champion as of {sessions.end}: run train, evaluate and promote first")
    status: Status = "unfollowed" if installed.unfollowed else "done" if installed.changed else "unchanged"
    return Outcome(status=status, rows_out=int(installed.changed), details=installed.details)
