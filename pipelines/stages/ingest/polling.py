"""Which sessions are all there, which are short, and what a person has let pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from heapq import nlargest
from typing import Any

from pipelines.base.report import SessionRange
from pipelines.io.feed_log import FeedPast
from pipelines.stages.ingest.reading import Reading
from pipelines.tables import landing_queries
from pipelines.tables.completeness import RECENT_SESSIONS, CompletenessParams, needed_of, usual_symbols
from pipelines.tables.contracts import OPS_QUARANTINE

MOST_ASKED_AGAIN = 60
"""Sessions that a daily run looks back to for a complete one."""
MOST_NAMED = 20
AT_ONCE = 252
"""Sessions whose symbols this process holds at a time: a year's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What was looked for in one session, and what was there.

    Attributes
    ----------
    accepted, needed : int
        Symbols with a record that nothing refuses, and how many make the session complete.
    missing : tuple of str
        Usual symbols that are not there, by name.
    """

    session: date
    accepted: int
    needed: int
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether enough symbols are there."""
        return self.accepted >= self.needed

    def describe(self) -> str:
        """Return what is short, for a person."""
        named = f"; missing {', '.join(self.missing[:MOST_NAMED])}" if self.missing else ""
        more = len(self.missing) - MOST_NAMED
        return (
            f"{self.session}: bars of {self.accepted} symbols, {self.needed} are needed{named}"
            f"{f' and {more} more' if more > 0 else ''}"
        )


def poll_sessions(reading: Reading) -> list[Poll]:
    """Look for the range's sessions, and for those since the last complete one, in all that has landed."""
    sessions, past = choose_sessions(reading), reading.past
    params = reading.context.params(CompletenessParams)
    stood = {session for session in past.complete if past.stands(session)}
    polls: list[Poll] = []
    for first in range(0, len(sessions), AT_ONCE):
        part = sessions[first : first + AT_ONCE]
        wanted = {recent for session in part for recent in recent_sessions(stood, before=session)}
        there = dict(read_accepted(reading, sorted(wanted | set(part))))
        for session in part:
            recent = recent_sessions(stood, before=session)
            # Of sessions that were complete before this part and of none else: a year's symbols at a time.
            usual = usual_symbols([there.get(one, set()) for one in recent])
            accepted = there.get(session, set())
            poll = Poll(
                session=session,
                accepted=len(accepted),
                needed=needed_of(len(usual), params),
                missing=tuple(sorted(usual - accepted)),
            )
            polls.append(poll)
            stood = stood | {session} if poll.complete or session in past.accepted else stood - {session}
    return polls


def choose_sessions(reading: Reading) -> list[date]:
    """Return the sessions to look for, ascending.

    In a history load those of the range that have closed by now; daily the as-of, those since the last
    complete one, and those of the last weeks that were short when they were looked for.
    """
    calendar, asked, past = reading.context.calendar, reading.sessions, reading.past
    if asked.history:
        last = min(asked.end, calendar.last_closed(reading.observation.landed_at))
        return calendar.sessions(asked.start, last)
    looked = [asked.end]
    # Before the first poll nobody was asked for anything.
    first = max(min(past.complete, default=asked.end), calendar.look_back(asked.end, MOST_ASKED_AGAIN))
    while looked[0] > first and not past.stands(before := calendar.shift(looked[0], -1)):
        looked.insert(0, before)
    short = {session for session in past.missing - past.accepted if first <= session < looked[0]}
    return [*sorted(short), *looked]


def recent_sessions(stood: Collection[date], *, before: date) -> list[date]:
    """Return the last sessions before one among those that are complete or taken as they are, ascending."""
    return nlargest(RECENT_SESSIONS, (session for session in stood if session < before))[::-1]


def read_accepted(reading: Reading, sessions: Sequence[date]) -> list[tuple[date, set[str]]]:
    """Return the accepted symbols of some sessions, ascending: no more rows than these have symbols."""
    if not sessions:
        return []
    days = f"b.session_date between date'{sessions[0]}' and date'{sessions[-1]}'"
    query = landing_queries.accepted_symbols(reading.bronze, OPS_QUARANTINE, reading.feed.source.name, days)
    rows = reading.context.lake.collect_query(query, reading.bronze, OPS_QUARANTINE)
    there = rows.drop_nulls().group_by("session").agg("symbol").sort("session")
    return [(session, set(symbols)) for session, symbols in there.iter_rows()]


def describe_polls(reading: Reading, polls: Sequence[Poll]) -> list[dict[str, Any]]:
    """Return the rows of `ops.polls`; an earlier session that is found as it was has none."""
    known, as_of = reading.past.complete, reading.sessions.end
    return [
        {
            "source": reading.feed.source.name,
            "kind": reading.feed.kind,
            "session": poll.session,
            "polled_at": reading.observation.landed_at,
            "accepted": poll.accepted,
            "needed": poll.needed,
            "complete": poll.complete,
            "missing": ",".join(poll.missing[:MOST_NAMED]),
        }
        for poll in polls
        if poll.complete != known.get(poll.session) or (poll.session == as_of and not poll.complete)
    ]


def is_short(polls: Sequence[Poll], sessions: SessionRange, past: FeedPast) -> Poll | None:
    """Return the as-of's poll where it is incomplete and nobody has let it pass."""
    if sessions.history:
        return None
    of_as_of = next((poll for poll in polls if poll.session == sessions.end), None)
    short = of_as_of is not None and not of_as_of.complete and sessions.end not in past.accepted
    return of_as_of if short else None
