"""A counter of publications beside the records, for stores that do not count their own commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from serving.online.feast_config import PROJECT

KEY = f"{PROJECT}:publications"


@contextmanager
def counted(client: Any) -> Iterator[None]:
    """Count a publication to Redis: odd while rows are being written, even once they all are.

    A writer that dies leaves it odd, and whatever rests on it asks the store itself until the next
    publication has ended. There is one writer at a time.

    Parameters
    ----------
    client : redis.Redis
    """
    count = int(client.get(KEY) or 0)
    client.set(KEY, count | 1)
    yield
    client.set(KEY, (count | 1) + 1)


def read_count(client: Any) -> int | None:
    """Return how many publications have ended, None while one is under way or where nobody has counted."""
    count = int(client.get(KEY) or 1)
    return None if count % 2 else count
