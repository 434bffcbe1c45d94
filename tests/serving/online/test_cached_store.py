"""Rows are read once for each publication and choice of features."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from serving.online.cached_store import CachedOnlineStore
from serving.online.store import ViewFeatures
from tests.serving.parts import VIEWS, InMemoryStore, daily_row, issued_row


def symbols_in(rows) -> list[str]:
    return rows.views["features_daily"]["symbol"].to_list()


def test_rows_are_kept_within_bounds_and_unknown_symbols_too() -> None:
    store = InMemoryStore([daily_row("AAA"), daily_row("BBB")], [], [issued_row("AAA", 0.1, 0.5)])
    cached = CachedOnlineStore(store, max_symbols=2)
    assert symbols_in(cached.read(["AAA", "ZZZ"], VIEWS)) == ["AAA"]
    assert symbols_in(cached.read(["BBB", "AAA"], VIEWS)) == ["AAA", "BBB"]
    assert store.reads == [["AAA", "ZZZ"], ["BBB"]]
    assert cached.read(["AAA"], VIEWS).issued["rank"].to_list() == [0.5]
    assert store.reads[2:] == [["AAA"]]


def test_a_model_of_other_features_reads_its_own() -> None:
    store = InMemoryStore([daily_row("AAA")])
    cached = CachedOnlineStore(store)
    cached.read(["AAA"], VIEWS)
    narrow = (ViewFeatures(name="features_daily", features=("mom_return_1d",)),)
    assert cached.read(["AAA"], narrow).views["features_daily"].columns[-1] == "mom_return_1d"
    assert set(cached.read(["AAA"], narrow).views) == {"features_daily"}
    assert store.reads == [["AAA"], ["AAA"]]


@dataclass
class Silent(InMemoryStore):
    """A store that cannot tell its version."""

    def version(self) -> None:
        return None


def test_a_store_without_versions_is_always_asked() -> None:
    store = Silent([daily_row("AAA")])
    cached = CachedOnlineStore(store)
    assert [symbols_in(cached.read(["AAA"], VIEWS)) for _ in range(2)] == [["AAA"], ["AAA"]]
    assert store.reads == [["AAA"], ["AAA"]]
    assert cached.published() == store.newest


def test_a_slow_read_holds_up_nobody_whose_rows_are_kept() -> None:
    reading, go_on = threading.Event(), threading.Event()

    class Slow(InMemoryStore):
        def read(self, symbols, views=VIEWS):
            if "BBB" in symbols:
                reading.set()
                assert go_on.wait(30)
            return super().read(symbols, views)

    cached = CachedOnlineStore(Slow([daily_row("AAA"), daily_row("BBB")]))
    cached.read(["AAA"], VIEWS)
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(cached.read, ["BBB"], VIEWS) for _ in range(2)]
        assert reading.wait(30)
        assert symbols_in(cached.read(["AAA"], VIEWS)) == ["AAA"]
        go_on.set()
        assert [symbols_in(one.result()) for one in slow] == [["BBB"], ["BBB"]]
    assert symbols_in(cached.read(["BBB", "AAA"], VIEWS)) == ["AAA", "BBB"]


def test_rows_of_a_publication_that_came_meanwhile_are_not_kept_as_the_old_ones() -> None:
    class Published(InMemoryStore):
        def read(self, symbols, views=VIEWS):
            self.number += 1
            return super().read(symbols, views)

    store = Published([daily_row("AAA")])
    cached = CachedOnlineStore(store)
    assert symbols_in(cached.read(["AAA"], VIEWS)) == ["AAA"]
    assert store.reads == [["AAA"], ["AAA"]]


def test_a_cache_that_began_afresh_meanwhile_loses_no_symbol() -> None:
    class Crowded(InMemoryStore):
        def read(self, symbols, views=VIEWS):
            if "SLOW" in symbols and len(self.reads) == 1:
                cached.read(["X1", "X2", "X3"], VIEWS)
                cached.read(["X4"], VIEWS)
            return super().read(symbols, views)

    cached = CachedOnlineStore(Crowded([daily_row("AAA"), daily_row("SLOW")]), max_symbols=3)
    cached.read(["AAA"], VIEWS)
    assert sorted(symbols_in(cached.read(["AAA", "SLOW"], VIEWS))) == ["AAA", "SLOW"]
