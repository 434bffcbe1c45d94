from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipelines.base.ahead import made_ahead


def test_items_come_in_order_and_nothing_gives_nothing() -> None:
    assert list(made_ahead(iter(range(5)))) == [0, 1, 2, 3, 4]
    assert list(made_ahead([None, None])) == [None, None]
    assert not list(made_ahead([]))


def test_one_item_is_made_beside_the_one_in_use_and_no_more() -> None:
    made: list[int] = []
    second, third = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        for number, event in enumerate((threading.Event(), second, third)):
            made.append(number)
            event.set()
            yield number

    coming = made_ahead(items())
    assert next(coming) == 0
    assert second.wait(timeout=30)
    assert made == [0, 1]
    assert not third.is_set()
    assert list(coming) == [1, 2]


def test_items_are_made_in_another_thread() -> None:
    makers = set(made_ahead(threading.get_ident() for _ in range(3)))
    assert len(makers) == 1
    assert threading.get_ident() not in makers


def test_an_error_is_raised_in_the_place_of_its_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second cannot be made")

    coming = made_ahead(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="the second"):
        next(coming)


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    coming = made_ahead(iter(range(100)))
    assert next(coming) == 0
    assert isinstance(coming, Iterator)
    coming.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
