"""What a return may be at a cut: the truth within the vendor's rounding, null, or off by what he owes us.

Written from the rules of price units alone, with plain loops over what was delivered. It imports nothing of
the project. It is given the truth and the vendor's habits beside its files, so it has nothing to find out.

In short. A raw price is put into units by what was announced by then. A restated past shows a change of units
by three sessions that we have in old ones; from that evening on a return across it is right. A move like a
split that nothing explains is no return, until something does or until it was asked for three times in vain.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from itertools import pairwise

from tests.world.priced_expected import NO, PERHAPS, YES, Answer, Expected, Step, combined
from tests.world.priced_records import NEUTRAL, Key, Kind, PricedDelivery, PricedRow
from tests.world.priced_vendor import PricedWorld

RATIOS = (1.5, 2.0, 2.5, *map(float, range(3, 41)))
SURELY_LIKE, PERHAPS_LIKE = (0.915, 1.09), (0.895, 1.115)
"""Within ten per cent of a ratio however that is measured, and by some measure of it."""
ASKED, OVERLAP = 3, 3
NO_JUMP = 0.1
"""Log move below which the prices plainly contradict an announced split."""
SPLIT_SIZED = math.log(1.3)


@dataclass(frozen=True)
class Stands:
    """A bar that stands: the row as first accepted, and the evening from which we have it."""

    row: PricedRow
    evening: date


@dataclass
class PricedReference:
    """Says what each return may be at each cut of a world.

    Attributes
    ----------
    world : PricedWorld
    deliveries : list of PricedDelivery
    counts : Counter
        Expectations by rule.
    """

    world: PricedWorld
    deliveries: list[PricedDelivery]
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.sessions = [*self.world.past, *self.world.live]
        self.standing = cache(self._standing)
        self.step = cache(self._step)
        self._shown = cache(self._find_shown)
        self._words = cache(self._last_words)

    def symbols(self, cut: date) -> list[str]:
        """Return the names under which bars stand at a cut."""
        return sorted({symbol for symbol, _ in self.standing(cut)})

    def expect(self, symbol: str, session: date, window: int, cut: date) -> Expected:
        """Say what the return over `window` sessions up to one may be, as known at the cut of a session."""
        bars, place = self.standing(cut), self.sessions.index(session)
        first = self.sessions[place - window] if place >= window else None
        if first is None or (symbol, first) not in bars or (symbol, session) not in bars:
            return self._count(Expected(None, None, null_allowed=True, why="a bar is not there"))
        there = [day for day in self.sessions[place - window : place + 1] if (symbol, day) in bars]
        steps = [self.step(symbol, before, after, cut) for before, after in pairwise(there)]
        return self._count(combined(steps))

    def true_name(self, symbol: str) -> str:
        """Return the name under which the truth knows a share."""
        return next((one.old for one in self.world.renames if one.new == symbol), symbol)

    def versions(self, evening: date) -> int:
        """Return how many versions of bars an evening may at most write: new bars, mended and judged ones."""
        before, now = self._before(evening), self.standing(evening)
        changed = sum(1 for key, one in now.items() if before.get(key) != one)
        taken_back = sum(1 for key in before if key not in now)
        since = self._evening_before(evening) or self.sessions[0]
        judged = sum(1 for _, session in self.world.ticks if since <= session < evening)
        said = sum(1 for one in self.world.announced if one.evening == evening or before == {})
        # A bar that looked like a tick until its past was restated is one no longer.
        cleared = sum(1 for (_, day), told in self.world.restated.items() if day < told == evening)
        return changed + taken_back + 2 * judged + said + cleared + self._between_changes(evening)

    def _between_changes(self, evening: date) -> int:
        """Return how many versions bars may get that lie between two changes of units told at once.

        They are corrected, and the bar after them is judged twice: by what they were and by what they are.
        """
        bars = self.standing(evening)
        return sum(
            1 + len(self._standing_between(symbol, first, last, evening))
            for symbol in {symbol for symbol, _ in bars}
            for told, days in self._told_at_once(symbol, evening).items()
            if told == evening
            for first, last in days
        )

    def _told_at_once(self, symbol: str, cut: date) -> dict[date, list[tuple[date, date]]]:
        """Return, by the evening, pairs of changes that were told together with too few bars between them.

        Those bars cannot show units of their own: they are corrected, and both changes are one at the first.
        """
        told: dict[date, list[date]] = {}
        for day in self._changes(symbol, cut):
            when = self.world.restated.get((self.true_name(symbol), day), date.max)
            if when <= cut:
                told.setdefault(when, []).append(day)
        return {
            when: [
                (first, last)
                for first, last in pairwise(days)
                if 0 < len(self._standing_between(symbol, first, last, when)) < OVERLAP
            ]
            for when, days in told.items()
        }

    def _standing_between(self, symbol: str, first: date, last: date, cut: date) -> list[date]:
        bars = self.standing(cut)
        return [day for day in self.sessions if first <= day < last and (symbol, day) in bars]

    def seams(self, cut: date) -> dict[tuple[str, date], tuple[float, Answer]]:
        """Return the ratio of old units to new at each ex-date whose change is shown, or told, by a cut."""
        found: dict[tuple[str, date], tuple[float, Answer]] = {}
        for symbol in self.symbols(cut):
            merged = {
                last: first for days in self._told_at_once(symbol, cut).values() for first, last in days
            }
            for day in self._changes(symbol, cut):
                shown = self._shown(symbol, day, cut)
                if shown == NO and not self._announced(symbol, day, cut):
                    continue
                first = day
                while first in merged:
                    first = merged[first]
                ratio, before = found.get((symbol, first), (1.0, YES))
                found[symbol, first] = ratio / self._factor(symbol, day), min(before, shown)
        return found

    def jumps(self, cut: date) -> dict[Key, Answer]:
        """Return the bars that are after a move which nothing has explained by a cut, or may be."""
        bars = self.standing(cut)
        found = {}
        for symbol in self.symbols(cut):
            there = [day for day in self.sessions if (symbol, day) in bars]
            for before, after in pairwise(there):
                pending = self.step(symbol, before, after, cut).pending
                if pending != NO:
                    found[symbol, after] = pending
        return found

    def next_bar(self, symbol: str, day: date, cut: date) -> date | None:
        """Return the first session from a day on of which a symbol has a bar at a cut."""
        bars = self.standing(cut)
        return next((one for one in self.sessions if one >= day and (symbol, one) in bars), None)

    def _count(self, expected: Expected) -> Expected:
        self.counts[expected.why or "right"] += 1
        return expected

    def _evening_before(self, evening: date) -> date | None:
        place = self.world.evenings.index(evening)
        return self.world.evenings[place - 1] if place else None

    def _before(self, evening: date) -> dict[Key, Stands]:
        previous = self._evening_before(evening)
        return self.standing(previous) if previous else {}

    def _accepted(self, cut: date) -> list[tuple[date, PricedRow]]:
        """Return the rows that can be bars, in the order of their coming, with their evening."""
        return [
            (one.evening, row)
            for one in self.deliveries
            if one.evening <= cut
            for row in one.bars
            if row.usable
        ]

    def _standing(self, cut: date) -> dict[Key, Stands]:
        """Return the bars that stand: as first accepted, ticks as mended, without those judged by now."""
        bars: dict[Key, Stands] = {}
        for evening, row in self._accepted(cut):
            before = bars.get(row.key)
            if before is None or before.row.wrong != row.wrong:
                bars[row.key] = Stands(row, evening)
        wrong = [key for key, one in bars.items() if one.row.wrong != 1]
        for symbol, session in wrong:
            if any(whose == symbol and day > session for whose, day in bars):
                del bars[symbol, session]
        return bars

    def _step(self, symbol: str, first: date, last: date, cut: date) -> Step:
        if self.world.basis == "raw":
            return self._raw_step(symbol, first, last, cut)
        return self._restated_step(symbol, first, last, cut)

    def _raw_step(self, symbol: str, first: date, last: date, cut: date) -> Step:
        """Apply what was announced by the cut, but no split that the prices contradict."""
        before, after = (self.standing(cut)[symbol, day].row for day in (first, last))
        move = after.close / before.close
        splits = [self._said(symbol, day, "split", cut) for day in self._days(first, last)]
        for place, value in enumerate(splits):
            if max(value, 1 / value) >= RATIOS[0] and abs(math.log(move)) < NO_JUMP:
                splits[place] = 1.0
        seen = move * math.prod(splits)
        gross, slack = self._with_dividends(symbol, first, last, cut)
        pending = self._pending(symbol, seen, last, cut)
        rounding = self._rounding(before), self._rounding(after)
        return Step(seen * gross, seen * gross, rounding, slack, pending, NO)

    def _restated_step(self, symbol: str, first: date, last: date, cut: date) -> Step:
        """Take the truth, and beside it what the units make of it that nothing has shown by the cut."""
        bars = self.standing(cut)
        before, after = bars[symbol, first], bars[symbol, last]
        true = self._true_move(symbol, first, last) * after.row.wrong / before.row.wrong
        rounding = self._rounding(before.row), self._rounding(after.row)
        gross, slack = self._with_dividends(symbol, first, last, cut)
        error, unshown, unsure = 1.0, NO, NO
        for day in self._changes(symbol, cut):
            old = [self._is_old(symbol, one, day) for one in (before, after)]
            if old[0] == old[1]:
                continue
            slack += self._of_seam(symbol, day, cut)
            shown = self._shown(symbol, day, cut)
            if shown != YES and not self._announced(symbol, day, cut):
                error *= self._factor(symbol, day) ** (1 if old[0] else -1)
                unshown = max(unshown, PERHAPS if shown == PERHAPS else YES)
            elif shown != YES and abs(math.log(true)) > 0.5 * abs(math.log(self._factor(symbol, day))):
                # Whether such a move holds the announced split or not, nobody can tell.
                unsure = PERHAPS
        pending = max(unsure, self._pending(symbol, true * error, last, cut))
        if abs(math.log(error)) > SPLIT_SIZED and (pending != YES or unshown == PERHAPS):
            pending, error = PERHAPS, 1.0
        return Step(true * gross, true * error * gross, rounding, slack, pending, unshown)

    def _true_move(self, symbol: str, first: date, last: date) -> float:
        """Return the gross return between two closes of the exchange, as the vendor's units count it."""
        name = self.true_name(symbol)
        closes = [self.world.market.bars[name, day].close for day in (first, last)]
        between = self.world.market.between(name, first, last)
        return closes[1] / closes[0] / math.prod(self._factor(symbol, day) for day, _ in between)

    def _changes(self, symbol: str, cut: date) -> list[date]:
        """Return the ex-dates by a cut at which a restating vendor's units change."""
        ex_dates = self.world.market.between(self.true_name(symbol), self.sessions[0], cut)
        return [day for day, _ in ex_dates if self._factor(symbol, day) != 1]

    def _days(self, first: date, last: date) -> list[date]:
        return [day for day in self.sessions if first < day <= last]

    def _factor(self, symbol: str, day: date) -> float:
        """Return what earlier prices are worth in units of an ex-date, as this vendor restates them."""
        market, name = self.world.market, self.true_name(symbol)
        action = market.corporate[name, day]
        if self.world.basis == "split":
            return 1 / action.split
        before = market.bars[name, market.before(day)].close
        return (1 - action.dividend * action.split / before) / action.split

    def _is_old(self, symbol: str, bar: Stands, day: date) -> bool:
        """Tell whether a bar was printed in the units from before an ex-date."""
        told = self.world.restated.get((self.true_name(symbol), day), date.max)
        return bar.row.session < day and bar.evening < told

    def _find_shown(self, symbol: str, day: date, cut: date) -> Answer:
        """Tell whether some delivery by the cut had enough of our old sessions in the units of an ex-date."""
        told = self.world.restated.get((self.true_name(symbol), day), date.max)
        best = NO
        for one in self.deliveries:
            if not told <= one.evening <= cut:
                continue
            old, beside = self._overlap(symbol, one, day)
            if old >= OVERLAP:
                return YES
            best = PERHAPS if old and old + beside >= OVERLAP else best
        return best

    def _overlap(self, symbol: str, delivery: PricedDelivery, day: date) -> tuple[int, int]:
        """Return how many standing sessions a delivery repeats: in units before an ex-date, and others."""
        bars = self._before(delivery.evening)
        again = [
            bars[row.key]
            for row in delivery.bars
            if row.symbol == symbol and row.usable and row.key in bars and bars[row.key].row.wrong == 1
        ]
        old = sum(1 for one in again if self._is_old(symbol, one, day))
        return old, len(again) - old

    def _of_seam(self, symbol: str, day: date, cut: date) -> float:
        """Return how far off a ratio can be that fits what every price was rounded to, old and new."""
        told = self.world.restated.get((self.true_name(symbol), day), date.max)
        for one in self.deliveries:
            if told <= one.evening <= cut:
                bars = self._before(one.evening)
                closes = sorted(
                    self._rounding(row) + self._rounding(bars[row.key].row)
                    for row in one.bars
                    if row.symbol == symbol and row.usable and row.key in bars and row.session < day
                )
                if closes:
                    return 2 * closes[len(closes) // 2]
        return 0.0

    def _announced(self, symbol: str, day: date, cut: date) -> bool:
        """Tell whether a split that the past does not follow was at least announced by the cut."""
        return self._said(symbol, day, "split", cut) != NEUTRAL["split"]

    def _with_dividends(self, symbol: str, first: date, last: date, cut: date) -> tuple[float, float]:
        """Return what announced dividends add, and how far that depends on a close that is not there."""
        gross, slack = 1.0, 0.0
        if self.world.basis == "total_return":
            return gross, slack
        for day in self._days(first, last):
            amount = self._said(symbol, day, "dividend", cut)
            if amount:
                share = amount / self.world.market.bars[self.true_name(symbol), day].close
                gross *= 1 + share
                slack += 0.0 if day == last else 0.1 * share
        return gross, slack

    def _said(self, symbol: str, day: date, kind: Kind, cut: date) -> float:
        """Return the last word about an action by a cut."""
        return self._words(cut).get((symbol, day, kind), NEUTRAL[kind])

    def _last_words(self, cut: date) -> dict[tuple[str, date, Kind], float]:
        """Return the last words by a cut, from the files of bars, refused rows too, and of actions."""
        words: dict[tuple[str, date, Kind], float] = {}
        for one in self.deliveries:
            if one.evening <= cut:
                for row in one.bars:
                    if row.split is not None and row.dividend is not None:
                        words[row.symbol, row.session, "split"] = float(row.split)
                        words[row.symbol, row.session, "dividend"] = float(row.dividend)
                for action in one.actions or ():
                    words[action.symbol, action.session, action.kind] = float(action.value)
        return words

    def _rounding(self, row: PricedRow) -> float:
        """Return half a tick as a share of a printed close."""
        return 0.5 * 10.0**-self.world.decimals / row.close

    def _pending(self, symbol: str, gross: float, last: date, cut: date) -> Answer:
        """Tell whether a move stands for a split that nobody has explained by the cut."""
        ratio = max(gross, 1 / gross)
        perhaps, surely = (
            any(low * one <= ratio <= high * one for one in RATIOS)
            for low, high in (PERHAPS_LIKE, SURELY_LIKE)
        )
        if not perhaps or self._asked(symbol, last, cut) >= ASKED:
            return NO
        in_load = self.world.channel == "feed" and self.world.basis == "raw" and last <= self.world.past[-1]
        return YES if surely and not in_load else PERHAPS

    def _asked(self, symbol: str, session: date, cut: date) -> int:
        """Return how often after a bar came its jump was asked for without an answer, by the cut."""
        since = self.standing(cut)[symbol, session].evening
        if self.world.basis == "raw" and self.world.channel == "column":
            rows = [row for one in self.deliveries if one.evening <= cut for row in one.bars]
            return len({row.session for row in rows if row.symbol == symbol and row.session > session})
        later = [one for one in self.deliveries if since < one.evening <= cut]
        if self.world.basis == "raw":
            return len(later)
        # A load that brings a jump with what lies before and after it was written when all that was over.
        with_it = [one for one in self.deliveries if one.evening == since]
        after = {
            row.session
            for one in with_it
            for row in one.bars
            if row.symbol == symbol and row.usable and row.session > session
        }
        return len(after) + sum(1 for one in later if self._shows_no_change(symbol, one))

    def _shows_no_change(self, symbol: str, delivery: PricedDelivery) -> bool:
        bars = self._before(delivery.evening)
        rows = [row for row in delivery.bars if row.symbol == symbol and row.usable]
        again = [row for row in rows if row.key in bars and bars[row.key].row.wrong == 1]
        return len(again) >= OVERLAP and any(row.key not in bars for row in rows)
