"""Follows the pointer and swaps the champion between two requests."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import polars as pl

from serving.pointer import POINTER_FILE, Pointer, read_pointer
from serving.served_model import ServedModel, digest_folder, load_served_model

log = logging.getLogger(__name__)

Outcome = Literal["unchanged", "switched", "failed"]
_Stamp = tuple[int, int, int]
_NEVER: _Stamp = (-1, -1, -1)
MISSED_LOOKS = 10
"""So many looks in a row that do not come mean that nobody follows the pointer any more."""
LEAST_SILENCE_SECONDS = 60.0
"""Loading a champion on a slow disk takes a while, in which nobody looks."""
ROLLBACK_SECONDS = 60.0
"""A model that was withdrawn may answer for so long after the pointer has named another one."""


class ChampionWatch:
    """Holds the current champion.

    A request reads `current` once and keeps what it got; a new champion is loaded and warmed beside
    the old one and takes its place by one assignment. A champion that cannot be loaded, or whose files are
    not those that the pointer names by their digest, leaves the old one. No error ends the looking.

    Parameters
    ----------
    folder : Path
        Where the pointer is (the home's Bento store).
    embedded : Path, optional
        Champion that a Bento carries in its own files, served where there is no pointer.
    on_outcome : callable, optional
        Told about each switch and each failure.
    clock : callable
        Seconds that only grow, by which looks are missed.

    Attributes
    ----------
    current : ServedModel or None
        The champion that answers from now on, None before the first one.
    awaited : str or None
        Version that the pointer names and that could not be loaded, None while the current one is meant.
    """

    def __init__(
        self,
        folder: Path,
        *,
        embedded: Path | None = None,
        on_outcome: Callable[[Outcome, ServedModel | None], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._embedded = embedded
        self._on_outcome = on_outcome
        self.current: ServedModel | None = None
        self.awaited: str | None = None
        self._withdrawn_at: float | None = None
        self._seen: _Stamp | None = _NEVER
        self._failed: _Stamp | None = _NEVER
        self._clock = clock
        self._looked_at: float | None = None
        self._every_seconds = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> Outcome:
        """Look at the pointer once and switch if it names something new."""
        stamp = self._stamp()
        if stamp == self._seen:
            return "unchanged"
        outcome = self._switch(first_try=stamp != self._failed)
        self._seen, self._failed = (self._seen, stamp) if outcome == "failed" else (stamp, _NEVER)
        if self._on_outcome is not None:
            self._on_outcome(outcome, self.current)
        return outcome

    def why_not_following(self) -> str | None:
        """Return why the current champion is not the one that is meant, None if it may be.

        Since when nobody has looked at the pointer, or that a rollback was not followed in time.
        """
        if self._looked_at is None:
            return None
        if self._withdrawn_at is not None and self._clock() - self._withdrawn_at > ROLLBACK_SECONDS:
            return (
                f"the champion was rolled back to version {self.awaited}, which cannot be loaded; see the "
                "service's log, then run `bellwether install`"
            )
        silent = self._clock() - self._looked_at
        if silent <= max(MISSED_LOOKS * self._every_seconds, LEAST_SILENCE_SECONDS):
            return None
        return (
            f"no look at {self.folder / POINTER_FILE} has come to an end for {silent:.0f} s, and looks come "
            f"every {self._every_seconds:g} s; see the service's log, then restart it"
        )

    def _stamp(self) -> _Stamp | None:
        try:
            status = (self.folder / POINTER_FILE).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _switch(self, *, first_try: bool) -> Outcome:
        pointer: Pointer | None = None
        try:
            pointer = read_pointer(self.folder)
            if pointer is None:
                if self._embedded is None:
                    return "unchanged"
                self.current = load_served_model(self._embedded)
            else:
                self.current = load_served_model(self._check(pointer), pointer, self._read_issued(pointer))
        except Exception:
            if first_try:  # it is tried again at every look; one trace is enough
                log.exception("the champion that %s names cannot be loaded; the old one goes on", self.folder)
            self._note_failure(pointer)
            return "failed"
        self.awaited = self._withdrawn_at = None
        log.info("now serving %s", self.current.manifest.bento)
        return "switched"

    def _note_failure(self, pointer: Pointer | None) -> None:
        """Keep which version was meant; of a pointer that cannot be read nothing is known."""
        self.awaited = pointer.model_version if pointer else self.awaited or "unknown"
        # Once withdrawn a model stays so, whatever else comes that cannot be loaded either.
        if pointer is not None and pointer.decision == "rollback" and self._withdrawn_at is None:
            self._withdrawn_at = self._clock()

    def _read_issued(self, pointer: Pointer) -> pl.DataFrame | None:
        """Return the forecasts that came with a champion, once its file is known to be the one meant.

        They bridge the time until the online store holds them. Where no champion answers yet, which is after
        a restart, one without them is better than none.
        """
        if not pointer.issued:
            return None
        try:
            content = (self.folder / pointer.issued).read_bytes()
            _check_digest(self.folder / pointer.issued, content, pointer.issued_digest)
        except (OSError, ValueError):
            if self.current is not None:
                raise
            log.exception("the online store alone has to know what %s has issued", pointer.tag)
            return None
        return pl.read_parquet(io.BytesIO(content))

    def _check(self, pointer: Pointer) -> Path:
        """Return the folder that a pointer names, once its files are known to be the ones meant."""
        folder = self.folder / pointer.champion
        found = digest_folder(folder)
        if found != pointer.digest:
            msg = (
                f"{folder} is not the champion that {POINTER_FILE} names: digest {found[:12]}, expected "
                f"{pointer.digest[:12]}; run `bellwether install`"
            )
            raise ValueError(msg)
        return folder

    def start(self, every_seconds: float) -> None:
        """Look now and from then on in a thread of its own."""
        self._every_seconds = every_seconds
        self._look_on()
        self._thread = threading.Thread(
            target=self._follow, args=(every_seconds,), name="champion-watch", daemon=True
        )
        self._thread.start()

    def _follow(self, every_seconds: float) -> None:
        while not self._ended.wait(every_seconds):
            self._look_on()

    def _look_on(self) -> None:
        """Look once, whatever comes of it: a look that fails is repeated, a thread that ends is not."""
        if self._looked_at is None:
            self._looked_at = self._clock()
        try:
            self.look()
        except Exception:
            log.exception("a look at the pointer in %s failed; the next one follows", self.folder)
        else:
            self._looked_at = self._clock()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=5)


def _check_digest(path: Path, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        msg = (
            f"{path} does not hold the forecasts that {POINTER_FILE} names: digest {found[:12]}, expected "
            f"{expected[:12]}; run `bellwether install`"
        )
        raise ValueError(msg)
