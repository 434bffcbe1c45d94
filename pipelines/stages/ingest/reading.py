"""One feed as one run reads it: what it has delivered, which window is asked for, what it is judged by."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.report import SessionRange
from pipelines.base.table import TableContract
from pipelines.io.feed_log import FeedPast
from pipelines.io.sources import Delivery
from pipelines.io.sources.feeds import Feed
from pipelines.stages.ingest.dating import Observation
from pipelines.stages.ingest.params import IngestParams
from pipelines.stages.ingest.window import Window, plan_window
from pipelines.tables import record_kinds
from pipelines.tables.contracts import BRONZE_ACTIONS, BRONZE_BARS, BRONZE_TEXTS
from pipelines.tables.record_kinds import ACTIONS, BARS, TEXTS, RecordKind

KINDS: dict[str, tuple[RecordKind, TableContract]] = {
    BARS.name: (BARS, BRONZE_BARS),
    ACTIONS.name: (ACTIONS, BRONZE_ACTIONS),
    TEXTS.name: (TEXTS, BRONZE_TEXTS),
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One feed as one run reads it."""

    context: Context
    feed: Feed
    sessions: SessionRange
    past: FeedPast
    observation: Observation

    @property
    def kind(self) -> RecordKind:
        """How a record of the feed is parsed and refused."""
        return KINDS[self.feed.kind][0]

    @property
    def bronze(self) -> TableContract:
        """Where its records land."""
        return KINDS[self.feed.kind][1]

    @cached_property
    def told_arrival(self) -> str | None:
        """Where the feed says when a record arrived, as found first; None before its first record."""
        return self.past.arrival or self.feed.source.arrival(self.feed.kind)

    @property
    def arrival(self) -> str:
        """The same, nowhere while nothing tells it."""
        return self.told_arrival or "none"

    @property
    def by_content(self) -> bool:
        """Whether a record is new when it differs from what was said before: a stamp is no part of it."""
        return bool(self.kind.key) and self.arrival != "column"

    @cached_property
    def window(self) -> Window:
        """What is asked for, and covered by it."""
        params = self.context.params(IngestParams)
        lag = params.lag(self.feed.kind) if self.arrival == "none" else timedelta()
        return plan_window(
            self.context.calendar,
            self.sessions,
            self.past,
            now=self.observation.landed_at,
            lag=lag,
            overlap=timedelta(hours=params.overlap_hours),
        )

    @cached_property
    def judged_by(self) -> str:
        """Digest of what a delivery is judged by: the same bytes are judged again when it changes."""
        params = self.context.params(IngestParams)
        limits = params.max_refused_share, params.min_refused_records
        said = self.feed.provision
        contract = inspect.getsource(record_kinds)
        calendar = self.context.calendar.name
        return digest_of(
            contract, calendar, said.read_by, said.timezone, self.arrival, str(said.stamps_from), limits
        )

    def find_pending(self) -> list[Delivery]:
        """Return the deliveries that nobody has read yet, or that are judged by something else by now."""
        if self.feed.provision.by_window and self.window.covers is None:
            return []
        listed = self.feed.source.list_deliveries(self.feed.kind, self.window.request)
        done = {"", self.judged_by}
        return [one for one in listed if self.past.read.get(one.id) not in done]
