"""What a person could have known: the tables that a vendor's files and our own runs must end in.

Written from the rules of time alone, with plain loops over records. It imports nothing of the project: it is
given what the vendor wrote and when, and the runs that were made, and knows neither tables nor engines.

In short. A feed with stamps is believed, unless we had already read that hour: then what comes is known when
we see it. A feed without stamps is believed to be in time where nobody had looked before, and is otherwise
known when seen. What a view has been read from is never changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tests.world import calendar as exchange
from tests.world.judging import (
    ASSUMED,
    OBSERVED,
    STAMP,
    AmbiguousWorldError,
    assumed,
    event,
    instant_of,
    lag_of,
    rules_broken,
)
from tests.world.records import Bar, Delivery, FeedRules, Poll, Refusal, Text, Version

TICK = timedelta(microseconds=1)
DONE, NO_SESSION, STRUCK, TRY_AGAIN, SHORT = 0, 99, 1, 75, 65
MIN_SYMBOLS, MIN_SHARE = 1, 0.8
MAX_REFUSED_SHARE, MIN_REFUSED = 0.05, 5
USUAL_OF, USUAL_IN = 5, 4


@dataclass(frozen=True)
class Landed:
    """One record as it lies in bronze: whence, and from when it counts as known; None if it was refused."""

    record: Bar | Text
    order: tuple[datetime, str]
    known_at: datetime | None
    known_by: str


@dataclass
class FeedBook:
    """All that is known of one feed: what landed at any time, and what finished runs have read and asked."""

    rules: FeedRules
    landed: list[Landed] = field(default_factory=list)
    read: set[tuple[str, datetime, int]] = field(default_factory=set)
    coverage: list[tuple[datetime, datetime]] = field(default_factory=list)
    complete: dict[date, bool] = field(default_factory=dict)
    refusals: set[Refusal] = field(default_factory=set)

    def covers(self, instant: datetime) -> bool:
        """Tell whether finished runs have read the feed for an instant."""
        return any(after < instant <= until for after, until in self.coverage)

    def reads_on_from(self, previous_cut: datetime) -> datetime:
        """Return the end of the interval that holds, or last precedes, the cut before."""
        ends = [until for after, until in merged(self.coverage) if after < previous_cut]
        return ends[-1] if ends else previous_cut

    def accepted(self, session: date) -> set[str]:
        """Return the symbols that have a usable bar of a session, whoever landed it."""
        return {
            one.record.symbol
            for one in self.landed
            if isinstance(one.record, Bar) and one.record.session == session and one.known_at is not None
        }

    """What the reference says of a whole world."""

    exits: list[int] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    texts: list[Version] = field(default_factory=list)
    refusals: set[Refusal] = field(default_factory=set)
    incomplete: dict[date, bool] = field(default_factory=dict)


class Reference:
    """Follows a world run by run.

    Parameters
    ----------
    feeds : sequence of FeedRules
        What the settings say of the feeds; one of kind "bars" is primary.
    deliveries : sequence of Delivery
        All that the vendors ever write.
    """

    def __init__(self, feeds: Sequence[FeedRules], deliveries: Sequence[Delivery]) -> None:
        self._books = [FeedBook(rules) for rules in feeds]
        self._deliveries = list(deliveries)
        self._accepted_partial: set[date] = set()
        self.closed_until: datetime | None = None

    @property
    def primary(self) -> FeedBook:
        """The book of the primary bars."""
        return next(book for book in self._books if book.rules.kind == "bars" and book.rules.primary)

    def accept_partial(self, session: date) -> None:
        """A person takes a short session as it is."""
        self._accepted_partial.add(session)

    def ingest(self, poll: Poll, *, primary_alone: bool = False) -> int:
        """Do what one run does, of every feed or before there were others; return how it ends."""
        if not poll.history and not exchange.is_session(poll.last):
            return NO_SESSION
        if self._is_idle_try(poll):
            return self._exit(poll)
        for book in [self.primary] if primary_alone else self._books:
            whole = self._read_files(book, poll)
            if poll.struck:
                continue
            if whole:
                extend_coverage(book, poll)
            if book.rules.kind == "bars":
                self._ask_for_sessions(book, poll)
        if poll.struck:
            return STRUCK
        return self._exit(poll)

    def _is_idle_try(self, poll: Poll) -> bool:
        """Tell whether a session is asked for again and no feed has a new file: that leaves no trace.

        Another run may have landed what was missing in the meantime; then the session is complete by now.
        """
        if poll.history or self.primary.complete.get(poll.last) is not False:
            return False
        if len(self.primary.accepted(poll.last)) >= self.needed(poll.last):
            return False
        return not any(
            (one.name, one.object_time, len(one.records)) not in book.read
            for book in self._books
            for one in visible(self._deliveries, book.rules, poll.clock)
        )

    def _exit(self, poll: Poll) -> int:
        """Return how a run ends: well, or with what is missing from its session."""
        if poll.history or self.primary.complete[poll.last]:
            return DONE
        return TRY_AGAIN if poll.clock < exchange.cut(poll.last) + exchange.GRACE else SHORT

    def close(self, session: date) -> None:
        """A view at the session's cut has been read: from here on it stays as it was."""
        cut = exchange.cut(session)
        self.closed_until = cut if self.closed_until is None else max(self.closed_until, cut)

    def known_at_cut(self, session: date) -> set[str]:
        """Return the symbols whose bar of a session a reader at its cut can see."""
        cut = exchange.cut(session)
        return {one.symbol for one in self.versions() if one.session == session and one.known_at <= cut
                and one.source == self.primary.rules.name}  # fmt: skip

    def needed(self, session: date) -> int:
        """Return how many symbols a session must have."""
        return needed_symbols(self.primary, session, self._accepted_partial)

    def versions(self) -> list[Version]:
        """Return every version of every bar."""
        found: list[Version] = []
        for book in self._books:
            if book.rules.kind == "bars":
                found += chains_of_bars(book)
        return found

    def texts(self) -> list[Version]:
        """Return every text once."""
        found: list[Version] = []
        for book in self._books:
            if book.rules.kind == "texts":
                found += first_of_texts(book)
        return found

    def refusals(self) -> set[Refusal]:
        """Return what was refused, and why."""
        return set().union(*(book.refusals for book in self._books))

    def _read_files(self, book: FeedBook, poll: Poll) -> bool:
        """Land what is new in the files that are there; tell whether every delivery could be used."""
        before = list(book.landed)
        landed_deliveries = {one.order for one in before}
        usable = True
        for delivery in visible(self._deliveries, book.rules, poll.clock):
            ident = (delivery.name, delivery.object_time, len(delivery.records))
            if ident in book.read or delivery.order in landed_deliveries:
                continue
            if not poll.struck:
                book.read.add(ident)
            if delivery.garbage:
                usable = False
                continue
            broken = {record: rules_broken(record, book.rules, poll.clock) for record in delivery.records}
            refused = {record: rules for record, rules in broken.items() if rules}
            for record, rules in refused.items():
                stamp = record.received_at or ""
                book.refusals |= {
                    Refusal(book.rules.name, book.rules.kind, record.symbol, rule, stamp) for rule in rules
                }
            count = sum(1 for record in delivery.records if record in refused)
            if count >= MIN_REFUSED and count > MAX_REFUSED_SHARE * len(delivery.records):
                usable = False
                continue
            for record in sorted(set(delivery.records)):
                if is_new(record, delivery, book):
                    known = None if record in refused else self._date(record, book, poll, before)
                    known_at, known_by = known or (None, "")
                    book.landed.append(Landed(record, delivery.order, known_at, known_by))
        return usable

    def _date(
        self, record: Bar | Text, book: FeedBook, poll: Poll, before: list[Landed]
    ) -> tuple[datetime, str]:
        """Say from when a usable record that lands now counts as known, and how we know."""
        earlier = [one.known_at for one in before if one.record.key == record.key and one.known_at]
        in_bronze = any(one.record.key == record.key for one in before)
        seen = observed(poll.clock, self.closed_until)
        if book.rules.stamped:
            known = date_stamped(record, book, seen)
        else:
            first = not in_bronze and not book.covers(event(record))
            if poll.history:
                first = first or all(one.record.symbol != record.symbol for one in before)
            known = assumed(record) if first else after_all(seen, earlier)
        if self.closed_until is None or known[0] > self.closed_until:
            return known
        if poll.history and not in_bronze:
            return known
        return after_all(seen, [*earlier, self.closed_until])

    def _ask_for_sessions(self, book: FeedBook, poll: Poll) -> None:
        """Say of each session that a run looks for whether enough symbols are there."""
        if poll.history:
            wanted = exchange.sessions(poll.first, poll.last)
        else:
            done = [day for day, complete in book.complete.items() if complete and day < poll.last]
            asked = [day for day in book.complete if day <= poll.last]
            start = exchange.shift(max(done), 1) if done else min([*asked, poll.last])
            wanted = exchange.sessions(start, poll.last)
        for session in wanted:
            enough = len(book.accepted(session)) >= needed_symbols(book, session, self._accepted_partial)
            book.complete[session] = enough or session in self._accepted_partial


def needed_symbols(book: FeedBook, session: date, accepted_partial: set[date]) -> int:
    """Return how many symbols make a session complete."""
    complete = sorted(
        day for day, done in book.complete.items() if day < session and (done or day in accepted_partial)
    )[-USUAL_OF:]
    if len(complete) < USUAL_OF:
        return MIN_SYMBOLS
    seen = [book.accepted(day) for day in complete]
    usual = [symbol for symbol in set().union(*seen) if sum(symbol in one for one in seen) >= USUAL_IN]
    return max(MIN_SYMBOLS, math.ceil(MIN_SHARE * len(usual) - 1e-9))


def visible(deliveries: Iterable[Delivery], rules: FeedRules, clock: datetime) -> list[Delivery]:
    """Return the files that lie in the feed's folder, in the order in which the vendor wrote them."""
    there: dict[str, Delivery] = {}
    for one in sorted(deliveries, key=lambda one: one.written_at):
        if one.feed == rules.name and one.kind == rules.kind and one.written_at <= clock:
            there[one.name] = one
    return sorted(there.values(), key=lambda one: one.order)


def extend_coverage(book: FeedBook, poll: Poll) -> None:
    """Note what a finished run has read the feed for."""
    lag = timedelta() if book.rules.stamped else lag_of(book.rules.kind)
    if poll.history:
        after = exchange.cut(exchange.shift(poll.first, -1))
        until = min(poll.clock, exchange.cut(poll.last))
    else:
        after = book.reads_on_from(exchange.cut(exchange.shift(poll.last, -1)))
        until = min(poll.clock, exchange.cut(poll.last))
        if poll.clock > exchange.cut(poll.last) and book.complete.get(poll.last) is False:
            until = min(poll.clock, exchange.cut(exchange.shift(poll.last, 1)))
    if until - lag > after:
        book.coverage.append((after, until - lag))


def merged(intervals: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return the union of intervals, those that touch made one."""
    union: list[tuple[datetime, datetime]] = []
    for after, until in sorted(intervals):
        if union and after <= union[-1][1]:
            union[-1] = (union[-1][0], max(until, union[-1][1]))
        else:
            union.append((after, until))
    return union


def observed(clock: datetime, closed_until: datetime | None) -> tuple[datetime, str]:
    """Return when what lands now counts as seen: the cut itself a little after a cut that nobody read."""
    cut = exchange.last_cut(clock)
    unread = closed_until is None or closed_until < cut
    if clock <= cut + exchange.GRACE and unread:
        return cut, ASSUMED
    return clock, OBSERVED


def after_all(seen: tuple[datetime, str], earlier: Iterable[datetime]) -> tuple[datetime, str]:
    """Return the instant of seeing, but after whatever was known before."""
    instant, how = seen
    return max([instant, *(known_at + TICK for known_at in earlier)]), how


def date_stamped(record: Bar | Text, book: FeedBook, seen: tuple[datetime, str]) -> tuple[datetime, str]:
    """Return from when a record with a good stamp is known."""
    stamp = instant_of(record.received_at)
    if stamp is None:
        msg = f"{record} has no stamp and was not refused"
        raise AmbiguousWorldError(msg)
    if book.covers(stamp):
        return seen if seen[0] >= stamp else (stamp, STAMP)
    since = book.rules.stamps_from
    if since is not None and stamp < exchange.in_new_york(since, 0):
        return assumed(record)
    return stamp, STAMP


def is_new(record: Bar | Text, delivery: Delivery, book: FeedBook) -> bool:
    """Tell whether a record says something that bronze does not say already."""
    if book.rules.stamped or isinstance(record, Text):
        return all(one.record != record for one in book.landed)
    of_key = [one for one in book.landed if one.record.key == record.key]
    if not of_key:
        return True
    stands = max(of_key, key=lambda one: one.order)
    if stands.order == delivery.order and stands.record != record:
        msg = f"{delivery.name} says two things of {record.key}"
        raise AmbiguousWorldError(msg)
    return delivery.order > stands.order and record != stands.record


def chains_of_bars(book: FeedBook) -> list[Version]:
    """Return the versions of each bar: of those known at one instant the last, none twice in a row."""
    by_key: dict[tuple[str, date], dict[datetime, Landed]] = {}
    for one in sorted(book.landed, key=lambda one: one.order):
        if isinstance(one.record, Bar) and one.known_at is not None:
            same = by_key.setdefault(one.record.key, {})
            before = same.get(one.known_at)
            if before and before.order == one.order and before.record.prices != one.record.prices:  # type: ignore[union-attr]
                msg = f"{one.record.key}: one delivery says two things known at {one.known_at}"
                raise AmbiguousWorldError(msg)
            same[one.known_at] = one
    versions = []
    for (symbol, session), chain in by_key.items():
        prices: tuple[str, ...] = ()
        for known_at in sorted(chain):
            record = chain[known_at].record
            if isinstance(record, Bar) and record.prices != prices:
                prices = record.prices
                how = chain[known_at].known_by
                versions.append(Version(book.rules.name, symbol, session, known_at, how, prices))
    return versions


def first_of_texts(book: FeedBook) -> list[Version]:
    """Return each text as it was first known."""
    first: dict[tuple[str, str, str], Landed] = {}
    for one in book.landed:
        if isinstance(one.record, Text) and one.known_at is not None:
            before = first.get(one.record.key)
            if before is None or before.known_at is None or one.known_at < before.known_at:
                first[one.record.key] = one
    return [
        Version(
            book.rules.name, symbol, exchange.session_of_text(event(one.record)),
            one.known_at, one.known_by, (published, words),
        )
        for (symbol, published, words), one in first.items()
        if one.known_at is not None
    ]  # fmt: skip
