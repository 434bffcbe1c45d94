from __future__ import annotations

import asyncio

import pytest

from serving.refusals import Refusal
from serving.transport.slots import BytesInFlight, Slots


def test_a_place_is_given_on_to_who_waits() -> None:
    async def run() -> None:
        slots = Slots(at_once=1, waiting=1, seconds=60)
        first = await slots.take()
        waiting = asyncio.create_task(slots.take())
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="too many such requests"):
            await slots.take()
        first.release()
        first.release()  # once is enough: nobody else gets a second place
        second = await waiting
        third = asyncio.create_task(slots.take())
        await asyncio.sleep(0)
        assert not third.done()
        second.release()
        await third

    asyncio.run(run())


def test_nobody_waits_longer_than_allowed() -> None:
    async def run() -> None:
        slots = Slots(at_once=1, waiting=8, seconds=0.0)
        held = await slots.take()
        with pytest.raises(Refusal, match="too many such requests") as told:
            await slots.take()
        assert told.value.status == 503
        held.release()
        (await slots.take()).release()

    asyncio.run(run())


def test_a_caller_that_leaves_while_waiting_leaves_no_trace() -> None:
    async def run() -> None:
        slots = Slots(at_once=1, waiting=1, seconds=60)
        held = await slots.take()
        waiting = asyncio.create_task(slots.take())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        held.release()
        (await slots.take()).release()

    asyncio.run(run())


def test_bytes_in_flight_are_bounded() -> None:
    held = BytesInFlight(10)
    held.hold(7)
    with pytest.raises(Refusal, match="fill the memory") as told:
        held.hold(4)
    assert told.value.status == 503
    held.release(7)
    held.hold(10)
