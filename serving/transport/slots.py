"""Slots: how many requests of a route are worked on at a time, and how much their bodies may take."""

from __future__ import annotations

import asyncio

from serving.refusals import Refusal


class Slots:
    """Slots of one route, so that the costly requests of one never fill those of another.

    Parameters
    ----------
    at_once : int
        Requests worked on at a time.
    waiting : int
        Requests that may wait for one.
    seconds : float
        How long one waits.
    """

    def __init__(self, *, at_once: int, waiting: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._seconds = seconds
        self._room = waiting

    async def take(self) -> Slot:
        """Return a slot.

        Raises
        ------
        Refusal
            503 if too many wait already, or none came free in time.
        """
        if not self._free.locked():
            await self._free.acquire()
            return Slot(self._free)
        if self._room < 1:
            raise _busy()
        self._room -= 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._room += 1
        return Slot(self._free)


class Slot:
    """One of a route's slots, given back once."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free: asyncio.Semaphore | None = free

    def release(self) -> None:
        """Give it back; again, it does nothing."""
        free, self._free = self._free, None
        if free is not None:
            free.release()


class BytesInFlight:
    """Counts what the bodies of a route's requests, and their answers, take together.

    Parameters
    ----------
    limit : int
        Bytes; who comes with more is asked to come again.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit

    def hold(self, size: int) -> None:
        """Take so many bytes.

        Raises
        ------
        Refusal
            503 if others hold too many.
        """
        if size > self._left:
            raise Refusal(503, "busy", "the bodies of other requests fill the memory; send it again")
        self._left -= size

    def release(self, size: int) -> None:
        """Give so many bytes back."""
        self._left += size


def _busy() -> Refusal:
    return Refusal(503, "busy", "too many such requests are being answered; send it again")
