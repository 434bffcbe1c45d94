"""The probes: disturbed rows, and the cells that must not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from features.leakcheck import disturbances
from features.leakcheck.cuts import NEVER, mark_events, plain_cuts, symbol_cuts
from features.leakcheck.disturbances import Disturb
from features.leakcheck.value_grid import AT, WHO, Flags, Grid, Integers

TRUNCATION = "truncation"
SCRAMBLING = "scrambling"
SHIFTING = "shifting"
MIRRORING = "mirroring"
FLATTENING = "flattening"
LISTING = "listing"
LATE_VERSION = "late version"
OWN_ROW = "own row"

FIRST_EVENTS = 2
"""Events of a kind that are tried for the first session that sees ahead."""

FUTURES: dict[str, Disturb] = {
    TRUNCATION: disturbances.drop_rows,
    SCRAMBLING: disturbances.scramble_rows,
    SHIFTING: disturbances.move_rows,
    MIRRORING: disturbances.mirror_rows,
    FLATTENING: disturbances.flatten_rows,
}
"""What may become of the future, by the name of the probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Rows that differ from the base in what the kept cells must not have seen.

    Parameters
    ----------
    name : str
        The kind, as the report names it.
    rows : polars.DataFrame
        Placed rows.
    kept : Flags
        Cells that must stay, of shape (n_symbols, n_sessions), or with the features before.
    cut : str
        The cut in words.
    alone : callable, optional
        From a symbol's number to the probe in which its rows alone are disturbed. Given where symbols have
        cuts of their own: a value that reads other symbols may change there, and is accused by that probe.
    again : callable, optional
        From a position to the same kind of probe with that cut.
    """

    name: str
    rows: pl.DataFrame
    kept: Flags
    cut: str
    alone: Callable[[int], Probe] | None = None
    again: Callable[[int], Probe] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many runs go into what.

    Parameters
    ----------
    plain, own : int
        Cuts common to all symbols (two runs each), and runs in which each symbol has its own.
    own_rows : int
        Sessions whose own row changes: common to all symbols, and as many runs with one for each symbol.
    starts : int
        Starts of history for the look-back.
    everywhere : int
        Runs in which sessions far apart are disturbed at once.
    searches : int
        Runs spent on the first session that sees ahead.
    """

    plain: int = 40
    own: int = 32
    own_rows: int = 24
    starts: int = 5
    everywhere: int = 24
    searches: int = 16


class ProbeMaker:
    """Makes probes of one set of placed rows; equal seeds make equal probes."""

    def __init__(self, placed: pl.DataFrame, grid: Grid, seed: int) -> None:
        self.placed = placed
        self.grid = grid
        self._who = placed.get_column(WHO).to_numpy()
        self._at = placed.get_column(AT).to_numpy()
        self._seed = seed
        self._made = 0
        self._events = mark_events(placed, grid)
        self.cuts: set[int] = set()
        self.own_cuts = 0

    def generator(self) -> np.random.Generator:
        """Return the next generator."""
        self._made += 1
        return np.random.default_rng((self._seed, self._made))

    def futures(self, limits: Limits) -> Iterator[Probe]:
        """Yield the probes of the future: everything after one cut, by truncation and one way more."""
        others = [name for name in FUTURES if name != TRUNCATION]
        cuts = plain_cuts(self._events, self.grid, self.generator(), limits.plain)
        self.cuts.update(cuts)
        for number, cut in enumerate(cuts):
            yield self.future(TRUNCATION, cut)
            yield self.future(others[number % len(others)], cut)

    def own_futures(self, limits: Limits) -> Iterator[Probe]:
        """Yield the probes in which each symbol's future begins at an event of its own."""
        kinds = (SCRAMBLING, TRUNCATION, MIRRORING)
        for number, cuts in enumerate(symbol_cuts(self._events, self.grid, self.generator(), limits.own)):
            self.own_cuts += int((cuts != NEVER).sum())
            yield self._of_future(kinds[number % len(kinds)], cuts, "a cut for each symbol")

    def first_events(self) -> Iterator[Probe]:
        """Yield the probes in which the future of all symbols begins at one of the first events of a kind."""
        last = self.grid.shape[1] - 2
        firsts = [
            np.flatnonzero(flags.any(axis=0))[:FIRST_EVENTS].tolist() for flags in self._events.values()
        ]
        for cut in sorted({at for first in firsts for at in first if at <= last}):
            yield self.future(TRUNCATION, cut)

    def own_first_events(self) -> Iterator[Probe]:
        """Yield the probes in which each symbol's future begins at its own first event of a kind."""
        for flags in self._events.values():
            first = np.where(flags.any(axis=1), flags.argmax(axis=1), NEVER)
            cuts = np.broadcast_to(first, (self.grid.shape[0],)).astype(np.int64)
            yield self._of_future(TRUNCATION, cuts, "a cut for each symbol")
        # What is filled over a gap is seen inside it.
        gap = self._events.get("before gap")
        if gap is not None:
            yield self._of_future(
                TRUNCATION, np.where(gap.any(axis=1), gap.argmax(axis=1) + 1, NEVER), "in gaps"
            )

    def listings(self, count: int = 3) -> Iterator[Probe]:
        """Yield the probes in which other symbols are listed, or gone, after a cut."""
        last = self.grid.shape[1] - 2
        for number in range(1, count + 1):
            cut = min(int(last * number / (count + 1)) + 1, last)
            for change in (disturbances.delist_some, disturbances.list_more):
                yield self._listing(change, cut)

    def _listing(self, change: Disturb, cut: int) -> Probe:
        cuts = self._common(cut)
        rows = change(self.placed, self._after(cuts), self.generator())
        # Of a symbol that is gone the future is cut off: another probe's affair.
        counts = [np.bincount(one[WHO].drop_nulls(), minlength=len(cuts)) for one in (rows, self.placed)]
        return Probe(
            name=LISTING,
            rows=rows,
            kept=self._until(cuts) & (counts[0] == counts[1])[:, None],
            cut=self._words(cut),
            again=lambda at: self._listing(change, at),
        )

    def own_rows(self, disturb: Disturb, features: Flags, count: int) -> Iterator[Probe]:
        """Yield the probes in which the session's own row changes, for the features that must not see it.

        Parameters
        ----------
        features : Flags
            Which features are held to it, shape (n_features,).
        """
        for cut in plain_cuts(self._events, self.grid, self.generator(), count):
            yield self._own_row(disturb, features, self._common(cut), self._words(cut))
        for cuts in symbol_cuts(self._events, self.grid, self.generator(), count):
            yield self._own_row(disturb, features, cuts, "a cut for each symbol")

    def _own_row(self, disturb: Disturb, features: Flags, cuts: Integers, words: str) -> Probe:
        return Probe(
            name=OWN_ROW,
            rows=disturb(self.placed, self._at == cuts[self._who], self.generator()),
            kept=features[:, None, None] & self._until(cuts)[None],
            cut=words,
            alone=self._alone(cuts, lambda one, words: self._own_row(disturb, features, one, words)),
            again=lambda at: self._own_row(disturb, features, self._common(at), self._words(at)),
        )

    def future(self, name: str, cut: int) -> Probe:
        """Return the probe in which everything after one session is another future."""
        return self._of_future(name, self._common(cut), self._words(cut))

    def late_versions(self) -> Iterator[Probe]:
        """Yield the probes in which rows are said to have been restated after a cut."""
        last = self.grid.shape[1] - 1
        for cut in (last, int(last * 0.7), int(last * 0.35)):
            yield self._late_version(cut)

    def _late_version(self, cut: int) -> Probe:
        random = self.generator()
        cuts = self._common(cut)
        mask = ~self._after(cuts) & (random.random(self.placed.height) < 0.5)
        ends = pl.col("cutoff_at") if "cutoff_at" in self.placed.columns else pl.col("known_at")
        instant = self.placed.filter(~pl.Series(self._after(cuts))).select(ends.max()).item()
        rows = disturbances.add_late_versions(self.placed, mask, random, after=pl.lit(instant))
        return Probe(name=LATE_VERSION, rows=rows, kept=self._until(cuts), cut=self._words(cut))

    def periodic(self, offset: int, period: int, features: Flags) -> Probe:
        """Return the probe in which every `period`-th session is another, and the cells before them stay.

        Parameters
        ----------
        features : Flags
            Which features are looked at, shape (n_features,).
        """
        before = np.arange(self.grid.shape[1]) % period == offset
        rows = disturbances.scramble_values(self.placed, (self._at - 1) % period == offset, self.generator())
        kept = features[:, None, None] & np.broadcast_to(before, self.grid.shape)[None]
        return Probe(name="everywhere", rows=rows, kept=kept, cut=f"every {period} sessions")

    def past(self, disturb: Disturb, start: int, kept: Flags) -> Probe:
        """Return the probe in which everything before a session is another past."""
        rows = disturb(self.placed, self._at < start, self.generator())
        return Probe(name="look-back", rows=rows, kept=kept, cut=f"before {self.grid.sessions[start]}")

    def _of_future(self, name: str, cuts: Integers, words: str) -> Probe:
        return Probe(
            name=name,
            rows=FUTURES[name](self.placed, self._after(cuts), self.generator()),
            kept=self._until(cuts),
            cut=words,
            alone=self._alone(cuts, lambda one, words: self._of_future(name, one, words)),
            again=lambda at: self.future(name, at),
        )

    def _alone(self, cuts: Integers, make: Callable[[Integers, str], Probe]) -> Callable[[int], Probe] | None:
        if len(set(cuts.tolist())) == 1 or (cuts == NEVER).sum() >= len(cuts) - 1:
            return None

        def one(symbol: int) -> Probe:
            only = np.full_like(cuts, NEVER)
            only[symbol] = cuts[symbol]
            return make(only, f"{self.grid.symbols[symbol]} alone, {self._words(int(cuts[symbol]))}")

        return one

    def _common(self, cut: int) -> Integers:
        return np.full(self.grid.shape[0], cut, dtype=np.int64)

    def _after(self, cuts: Integers) -> Flags:
        after: Flags = self._at > cuts[self._who]
        return after

    def _until(self, cuts: Integers) -> Flags:
        """Return the cells up to each symbol's cut."""
        until: Flags = np.arange(self.grid.shape[1])[None, :] <= cuts[:, None]
        return until

    def _words(self, cut: int) -> str:
        return f"after {self.grid.sessions[min(cut, self.grid.shape[1] - 1)]}"
