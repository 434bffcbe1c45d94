"""Rows are read once for each publication and choice of features."""

from __future__ import annotations

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
