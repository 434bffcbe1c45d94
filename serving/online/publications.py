"""A version of what is published beside the records, for stores that do not count their own commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from serving.online.feast_config import PROJECT

KEY = f"{PROJECT}:publication"
_UNDER_WAY = b"under way"


@contextmanager
def noted(client: Any) -> Iterator[None]:
    """Note a publication in Redis: that it is under way, and, once all rows are there, its own version.

    A writer that dies leaves it under way, and whatever rests on it asks the store itself until `settle`
    or another publication ends that. There is one writer at a time.

    Parameters
    ----------
    client : redis.Redis
    """
    client.set(KEY, _UNDER_WAY)
    yield
    client.set(KEY, uuid4().hex)  # never one again: a Redis that lost its data would count from the start


def settle(client: Any) -> None:
    """End a publication that died on its way: whoever tried again found every row there."""
    if client.get(KEY) == _UNDER_WAY:
        client.set(KEY, uuid4().hex)


def read_version(client: Any) -> bytes | None:
    """Return the version of what is published, None while that changes or where nobody has noted one."""
    version: bytes | None = client.get(KEY)
    return None if version == _UNDER_WAY else version
