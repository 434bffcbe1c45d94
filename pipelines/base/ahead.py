"""Make the next of some items while the one before is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def made_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items in order, each made in a thread of its own while the one before is used.

    No more than one is held beside the one in use. What making an item raises is raised in its place. If
    nobody asks for more, the thread ends with the item that it is making.
    """
    coming = iter(items)
    with ThreadPoolExecutor(max_workers=1) as worker:
        ahead = worker.submit(next, coming, _END)
        while (item := ahead.result()) is not _END:
            ahead = worker.submit(next, coming, _END)
            yield item  # type: ignore[misc]
