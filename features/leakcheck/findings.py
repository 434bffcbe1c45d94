"""What the probes have found: by feature and probe, confirmed against noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.leakcheck.noise import Noise, changed_cells, differences, separated_cells
from features.leakcheck.probes import Probe
from features.leakcheck.trial import Trial
from features.leakcheck.value_grid import Flags, Values

CONFIRMING_RUNS = 4
ALONE_AT_MOST = 4
"""Probes of one symbol alone that one probe with a cut for each symbol may lead to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One feature changed where it must not have.

    Parameters
    ----------
    probe, cut : str
        What was done to the rows, and where.
    symbol : int
        Position of the symbol with the largest effect.
    effect : float
        Largest change, in the feature's unit; 0 where only nulls came or went.
    appears : bool
        Whether a value was there in one run and null in the other.
    cells : int
        Values that changed.
    """

    probe: str
    cut: str
    symbol: int
    effect: float
    appears: bool
    cells: int


class Evidence:
    """Collects findings; each feature is confirmed once for each kind of probe.

    Parameters
    ----------
    trial : Trial
    noise : Noise
    reads_others : Flags
        Features whose values change with other symbols' rows, shape (n_features,).
    random : numpy.random.Generator
        For last bits.
    """

    def __init__(self, trial: Trial, noise: Noise, reads_others: Flags, random: np.random.Generator) -> None:
        self._trial = trial
        self.noise = noise
        self.reads_others = reads_others
        self._random = random
        self.findings: dict[tuple[int, str], Finding] = {}
        self.earliest: dict[int, int] = {}
        self.again: dict[int, Callable[[int], Probe]] = {}

    def look(self, probe: Probe) -> None:
        """Run a probe and record which features it shows to see what they must not."""
        run = self._trial.attempt(probe.rows)
        if run is None:
            return
        flagged = changed_cells(self.noise, run, probe.kept)
        new = [one for one in self._hit(flagged) if (one, probe.name) not in self.findings]
        if probe.alone is not None:
            self._look_alone(probe, flagged, new)
            return
        if new:
            self._confirm(probe, run, new)
        for number in self._hit(flagged):
            if (number, probe.name) in self.findings:
                self._note_session(number, flagged[number])

    def flagged(self, probe: Probe) -> Flags | None:
        """Run a probe for features that are known to see ahead; return the changed cells."""
        run = self._trial.attempt(probe.rows)
        if run is None:
            return None
        flagged = changed_cells(self.noise, run, probe.kept)
        for number in self._hit(flagged):
            # Where symbols have cuts of their own, a value that reads others may change without seeing ahead.
            if number in self.earliest and (probe.alone is None or not self.reads_others[number]):
                self._note_session(number, flagged[number])
        return flagged

    def accused(self) -> list[int]:
        """Return the features with a finding, ascending."""
        return sorted({number for number, _ in self.findings})

    def _look_alone(self, probe: Probe, flagged: Flags, new: list[int]) -> None:
        asked = 0
        for number in new:
            done = (number, probe.name) in self.findings
            if done or self.reads_others[number] or asked >= ALONE_AT_MOST or probe.alone is None:
                continue
            self.look(probe.alone(int(flagged[number].sum(axis=1).argmax())))
            asked += 1

    def _confirm(self, probe: Probe, run: Values, new: list[int]) -> None:
        cells = self.confirmed(probe, run)
        for number in new:
            if cells[number].any():
                self.findings[number, probe.name] = self._finding(probe, run, number, cells[number])
                self._note_session(number, cells[number])
                if probe.again is not None:
                    self.again.setdefault(number, probe.again)

    def confirmed(self, probe: Probe, run: Values, runs: int = CONFIRMING_RUNS) -> Flags:
        """Return the kept cells that stay apart when the probe's rows are disturbed in last bits as well."""
        more = [run]
        for number in range(runs):
            exchanged = number % 2 == 0
            attempt = self._trial.attempt_exchanged if exchanged else self._trial.attempt_jittered
            another = attempt(probe.rows, self._random)
            if another is not None:
                more.append(np.where(self.noise.ordered, run, another) if exchanged else another)
        cells = separated_cells(self.noise, more, probe.kept)
        return cells & changed_cells(self.noise, run, probe.kept)

    def _finding(self, probe: Probe, run: Values, number: int, cells: Flags) -> Finding:
        apart = np.where(cells, differences(self.noise.base[number], run[number]), 0.0)
        finite = np.where(np.isfinite(apart), apart, 0.0)
        return Finding(
            probe=probe.name,
            cut=probe.cut,
            symbol=int(apart.max(axis=1).argmax()),
            effect=float(finite.max()),
            appears=bool(np.isinf(apart).any()),
            cells=int(cells.sum()),
        )

    def _note_session(self, number: int, cells: Flags) -> None:
        first = int(np.flatnonzero(cells.any(axis=0))[0])
        self.earliest[number] = min(self.earliest.get(number, first), first)

    @staticmethod
    def _hit(flagged: Flags) -> list[int]:
        return [int(number) for number in np.flatnonzero(flagged.any(axis=(1, 2)))]
