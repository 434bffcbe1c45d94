"""What is kept is never older than the last publication."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from serving.handler import ForecastHandler
from serving.messages import ForecastMessage
from serving.online.cached_store import CachedOnlineStore
from serving.online.store import OnlineRows
from serving.response_cache import ResponseCache
from serving.schemas import SymbolForecast
from serving.served_model import load_served_model
from tests.serving.parts import (
    BEFORE,
    VIEWS,
    InMemoryStore,
    daily_row,
    issued_row,
    make_handler,
    manifest_of,
    write_champion,
)


def ask(handler: ForecastHandler, *symbols: str) -> list[float | None]:
    request = ForecastMessage(symbols=list(symbols))
    return [forecast.value for forecast in handler.forecast(request, "id").forecasts]


def answer(symbol: str) -> SymbolForecast:
    return SymbolForecast(symbol=symbol, status="ok", value=1.0)


def test_symbols_are_read_once_until_something_is_published(champion_folder: Path) -> None:
    store = InMemoryStore([daily_row("AAA"), daily_row("BBB")])
    handler = make_handler(champion_folder, store)
    first = ask(handler, "AAA")
    assert ask(handler, "BBB", "AAA", "ZZZ")[1] == first[0]
    assert store.reads == [["AAA"], ["BBB", "ZZZ"]]
    store.daily[0], store.number = daily_row("AAA", mom_return_1d=2.0), 1
    assert ask(handler, "AAA") != first
    assert store.reads[-1] == ["AAA"]


def test_a_newer_publication_makes_what_was_fresh_stale(champion_folder: Path) -> None:
    store = InMemoryStore([daily_row("AAA", BEFORE)])
    assert store.newest is not None
    store.newest = replace(store.newest, session=BEFORE)
    handler = make_handler(champion_folder, store)
    assert ask(handler, "AAA") != [None]
    store.newest = InMemoryStore().newest
    assert ask(handler, "AAA") == [None]


def test_a_promotion_changes_the_answers_and_reads_nothing_again(
    champion_folder: Path, tmp_path: Path
) -> None:
    current, store = [load_served_model(champion_folder)], InMemoryStore([daily_row("AAA")])
    handler = replace(
        make_handler(None, store), current_model=lambda: current[0], store=CachedOnlineStore(store)
    )
    first = ask(handler, "AAA")
    current[0] = load_served_model(write_champion(tmp_path / "two", manifest_of(model_version="2"), seed=5))
    assert ask(handler, "AAA") != first
    assert store.reads == [["AAA"]]


@dataclass
class Publishing(InMemoryStore):
    """A publication ends while the second question is being read."""

    def read(self, symbols, views=VIEWS) -> OnlineRows:
        rows = super().read(symbols, views)
        if len(self.reads) == 2:
            self.daily = [daily_row("AAA", mom_return_1d=2.0), daily_row("BBB", mom_return_1d=2.0)]
            self.number = 1
        return rows


@pytest.mark.parametrize("remembering", [True, False])
def test_two_publications_never_meet_in_one_answer(champion_folder: Path, remembering: bool) -> None:
    store = Publishing([daily_row("AAA"), daily_row("BBB")])
    handler = make_handler(champion_folder, store)
    if remembering:
        handler = replace(handler, store=CachedOnlineStore(store))
    old = ask(handler, "AAA")[0]
    mixed = ask(handler, "AAA", "BBB")
    assert mixed[0] == mixed[1] != old
    assert ask(handler, "AAA", "BBB") == mixed


@dataclass
class Silent(InMemoryStore):
    """A store that cannot tell its version."""

    asked: list[str] = field(default_factory=list)

    def version(self) -> None:
        return None


@pytest.mark.parametrize(("kind", "cache"), [(Silent, True), (InMemoryStore, False)])
def test_without_versions_or_the_setting_the_store_is_always_asked(
    champion_folder: Path, kind: type[InMemoryStore], cache: bool
) -> None:
    store = kind([daily_row("AAA")], [], [issued_row("AAA", 0.1, 0.5)])
    handler = make_handler(champion_folder, store, cache=cache)
    assert ask(handler, "AAA") == ask(handler, "AAA")
    assert store.reads == [["AAA"], ["AAA"]]


def test_the_cache_is_bounded_and_of_one_basis() -> None:
    cache = ResponseCache(max_symbols=2)
    cache.keep("one", [answer("A"), answer("B"), answer("C")])
    assert set(cache.find("one", ["A", "C", "D"])) == {"A", "C"}
    assert cache.find("two", ["A"]) == {}
    cache.keep("one", [answer("D")])
    assert set(cache.find("one", ["A", "B", "C", "D"])) == {"D"}
    cache.keep("two", [answer("A")])
    assert cache.find("one", ["D"]) == {}
