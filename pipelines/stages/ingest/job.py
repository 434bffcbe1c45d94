"""Read every feed on from where reading ended, land what is new, and say what is missing."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, BellwetherError, SettingsError
from pipelines.base.report import Counts, Outcome, SessionRange
from pipelines.io.feed_log import closed_until, read_past, write_rows
from pipelines.io.sources.feeds import Feed, open_feeds
from pipelines.stages.ingest.dating import observe
from pipelines.stages.ingest.history import note_touched
from pipelines.stages.ingest.landing import Landing, land
from pipelines.stages.ingest.params import IngestParams
from pipelines.stages.ingest.polling import Poll, describe_polls, is_short, poll_sessions
from pipelines.stages.ingest.reading import Reading
from pipelines.tables.completeness import CompletenessParams, waited_until
from pipelines.tables.contracts import OPS_COVERAGE, OPS_DELIVERIES, OPS_POLLS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One feed after it was read: what landed, or what went wrong; polls of the primary bars alone."""

    reading: Reading
    landing: Landing = field(default_factory=Landing)
    error: BellwetherError | None = None
    polls: list[Poll] = field(default_factory=list)


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Land what every feed has delivered and look for the sessions; what has been landed is not landed again.

    Raises
    ------
    BellwetherError
        What a required feed raised, once the others have landed. Then the run is not recorded, so that the
        next one takes up where this one did.
    """
    now = context.clock()
    visits = [visit(reading) for reading in open_readings(context, sessions, now)]
    write_rows(context, OPS_DELIVERIES, [row for one in visits for row in one.landing.deliveries])
    write_rows(context, OPS_COVERAGE, [row for one in visits for row in describe_coverage(one)])
    for one in visits:
        note_touched(context, sessions, one.reading, one.landing)
    write_rows(context, OPS_POLLS, [row for one in visits for row in describe_polls(one.reading, one.polls)])
    for one in visits:
        if one.error and one.reading.feed.required:
            raise one.error
    return conclude(context, sessions, visits, now)


def peek(context: Context, sessions: SessionRange) -> Outcome | None:
    """Return what a run would say if it would find nothing, None if it has to look.

    A try for a session that was found short, before anything new has been delivered: asked without the
    distributed engine and without the writer's lock, and nothing is written.
    """
    if sessions.history or not context.lake.reads_here:
        return None
    now = context.clock()
    readings = list(open_readings(context, sessions, now))
    if not readings or not all(reading.feed.source.lists_here(reading.feed.kind) for reading in readings):
        return None
    first = readings[0]
    if not first.feed.required:
        return None
    # The first try after the cut is recorded, whatever it finds: that the evening was asked is asked later.
    due = context.calendar.cutoff_at(sessions.end)
    if now >= due and not context.run_log.ran_since("ingest", sessions.end, due):
        return None
    asked_before = first.past.complete.get(sessions.end) is False and sessions.end not in first.past.accepted
    if not asked_before or has_news(readings):
        return None
    polls = poll_sessions(first)
    short = is_short(polls, sessions, first.past)
    return (
        None
        if short is None
        else judge_short(context, sessions, [Visit(reading=first, polls=polls)], short, now)
    )


def has_news(readings: list[Reading]) -> bool:
    """Tell whether any feed has something pending, or does not tell: then the run has to find out."""
    try:
        return any(reading.find_pending() for reading in readings)
    except BellwetherError:
        return True


def open_readings(context: Context, sessions: SessionRange, now: datetime) -> list[Reading]:
    """Return every feed as this run reads it, the primary bars first.

    Raises
    ------
    SettingsError
        As `open_feeds`, and if bars that come in time would miss their session's cut.
    """
    try:
        context.calendar.check_instants(context.params(IngestParams).lag("bars"))
    except ValueError as error:
        raise SettingsError(str(error)) from error
    seen = observe(
        context.calendar,
        now,
        grace=context.params(CompletenessParams).grace,
        closed_until=closed_until(context),
    )
    return [
        Reading(
            context=context,
            feed=feed,
            sessions=sessions,
            past=read_past(context, feed.source.name, feed.kind),
            observation=seen,
        )
        for feed in open_feeds(context)
    ]


def visit(reading: Reading) -> Visit:
    """Read one feed; what it raises stands beside what the others bring."""
    try:
        landing = land(reading)
    except BellwetherError as error:
        log.warning("%s of %s: %s", reading.feed.kind, reading.feed.source.name, error)
        return Visit(reading=reading, error=error)
    except Exception as error:
        # Whatever one feed's bytes do to a library must not keep the others from landing.
        if reading.feed.required:
            raise
        log.exception("%s of %s", reading.feed.kind, reading.feed.source.name)
        return Visit(reading=reading, error=BadDataError(f"{type(error).__name__}: {error}"))
    polls = poll_sessions(reading) if is_polled(reading.feed) else []
    return Visit(reading=reading, landing=landing, polls=polls)


def is_polled(feed: Feed) -> bool:
    """Tell whether sessions are looked for in a feed: in the bars that everything else is built from."""
    return bool(feed.primary and feed.kind == "bars")


def describe_coverage(one: Visit) -> list[dict[str, Any]]:
    """Return the row of `ops.coverage`, none where nothing is added to what was read."""
    reading = one.reading
    if one.error or not one.landing.covers or reading.window.covers is None:
        return []
    after, until = reading.window.covers
    if any(start <= after and until <= end for start, end in reading.past.covered):
        return []
    return [
        {
            "source": reading.feed.source.name,
            "kind": reading.feed.kind,
            "arrival": reading.told_arrival or "",
            "after": after,
            "until": until,
            "known_at": reading.observation.at,
        }
    ]


def conclude(context: Context, sessions: SessionRange, visits: list[Visit], now: datetime) -> Outcome:
    """Return what came of the run as a whole."""
    required = [one for one in visits if one.reading.feed.required]
    for one in required:
        short = is_short(one.polls, sessions, one.reading.past)
        if short is not None:
            return judge_short(context, sessions, visits, short, now)
    faults = [fault for one in required for fault in one.landing.faults()]
    if sessions.history and faults:
        # A gap of a history is reported; a delivery that was refused is what was asked for, and is not there.
        return Outcome(status="short", **count(visits), details=describe(visits) | {"why": "; ".join(faults)})
    landed = sum(one.landing.landed for one in visits)
    return Outcome(status="done" if landed else "unchanged", **count(visits), details=describe(visits))


def judge_short(
    context: Context, sessions: SessionRange, visits: list[Visit], short: Poll, now: datetime
) -> Outcome:
    """Return that the as-of's bars are not all there: to be waited for, or a person's to look at."""
    until = waited_until(context, sessions.end)
    name = visits[0].reading.feed.source.name
    said = f"{name}: {short.describe()}"
    faults = [fault for one in visits for fault in one.landing.faults()]
    if now < until:
        why = f"{said}; waiting until {until.isoformat()}"
    else:
        why = (
            f"{said}; nothing more came until {until.isoformat()}: ask the vendor and clear the run once it "
            f"is mended, or let it pass with `bellwether accept-partial --session {short.session} --why …`"
        )
    details = describe(visits) | {"why": "; ".join([why, *faults])}
    return Outcome(status="waiting" if now < until else "short", **count(visits), details=details)


def count(visits: list[Visit]) -> Counts:
    """Return the totals of a run."""
    landings = [one.landing for one in visits]
    return {
        "rows_in": sum(landing.records for landing in landings),
        "rows_out": sum(landing.landed for landing in landings),
        "rows_refused": sum(landing.refused for landing in landings),
        "sessions_touched": max((landing.sessions for landing in landings), default=0),
    }


def describe(visits: list[Visit]) -> dict[str, Any]:
    """Return what each feed brought, what is incomplete, and what a person should be told."""
    feeds = {
        f"{one.reading.feed.source.name}.{one.reading.feed.kind}": {
            "rows_in": one.landing.records,
            "rows_out": one.landing.landed,
            "rows_refused": one.landing.refused,
            "deliveries": len(one.landing.deliveries),
        }
        for one in visits
    }
    incomplete = [poll.describe() for one in visits for poll in one.polls if not poll.complete]
    alerts = [f"{one.reading.feed.source.name}: {fault}" for one in visits for fault in one.landing.faults()]
    alerts += [
        f"{one.reading.feed.source.name} brought no {one.reading.feed.kind}: {one.error}"
        for one in visits
        if one.error
    ]
    return {"feeds": feeds, "incomplete": incomplete[-20:], "alerts": alerts}
