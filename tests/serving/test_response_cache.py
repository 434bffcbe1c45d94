"""What is remembered is never older than the last publication."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from serving.handler import Desk
from serving.online.store import OnlineRows
from serving.response_cache import AnswerMemory, RememberingReader
from serving.schemas import ForecastRequest, SymbolForecast
from serving.served_model import Champion, load_champion
from tests.serving.parts import BEFORE, Shelf, daily_row, issued_row, make_desk, manifest_of, write_champion


def ask(desk: Desk, *symbols: str) -> list[float | None]:
    request = ForecastRequest(symbols=list(symbols))
    return [forecast.value for forecast in desk.forecast(request, "id").forecasts]


def answer(symbol: str) -> SymbolForecast:
    return SymbolForecast(symbol=symbol, status="ok", value=1.0)


def test_symbols_are_read_once_until_something_is_published(champion_folder: Path) -> None:
    shelf = Shelf([daily_row("AAA"), daily_row("BBB")])
    desk = make_desk(champion_folder, shelf)
    first = ask(desk, "AAA")
    assert ask(desk, "BBB", "AAA", "ZZZ")[1] == first[0]
    assert shelf.reads == [["AAA"], ["BBB", "ZZZ"]]
    shelf.daily[0], shelf.number = daily_row("AAA", mom_return_1d=2.0), 1
    assert ask(desk, "AAA") != first
    assert shelf.reads[-1] == ["AAA"]


def test_a_newer_publication_makes_what_was_fresh_stale(champion_folder: Path) -> None:
    shelf = Shelf([daily_row("AAA", BEFORE)])
    assert shelf.newest is not None
    shelf.newest = replace(shelf.newest, session=BEFORE)
    desk = make_desk(champion_folder, shelf)
    assert ask(desk, "AAA") != [None]
    shelf.newest = Shelf().newest
    assert ask(desk, "AAA") == [None]


@dataclass
class Swapping:
    """Holds what the test puts there."""

    current: Champion | None


def test_a_promotion_changes_the_answers_and_reads_nothing_again(
    champion_folder: Path, tmp_path: Path
) -> None:
    holder, shelf = Swapping(load_champion(champion_folder)), Shelf([daily_row("AAA")])
    desk = replace(make_desk(None, shelf), champions=holder, reader=RememberingReader(shelf))
    first = ask(desk, "AAA")
    holder.current = load_champion(write_champion(tmp_path / "two", manifest_of(model_version="2"), seed=5))
    assert ask(desk, "AAA") != first
    assert shelf.reads == [["AAA"]]


@dataclass
class Publishing(Shelf):
    """A publication ends while the second question is being read."""

    def read(self, symbols) -> OnlineRows:
        rows = super().read(symbols)
        if len(self.reads) == 2:
            self.daily = [daily_row("AAA", mom_return_1d=2.0), daily_row("BBB", mom_return_1d=2.0)]
            self.number = 1
        return rows


@pytest.mark.parametrize("remembering", [True, False])
def test_two_publications_never_meet_in_one_answer(champion_folder: Path, remembering: bool) -> None:
    shelf = Publishing([daily_row("AAA"), daily_row("BBB")])
    desk = make_desk(champion_folder, shelf)
    if remembering:
        desk = replace(desk, reader=RememberingReader(shelf))
    old = ask(desk, "AAA")[0]
    mixed = ask(desk, "AAA", "BBB")
    assert mixed[0] == mixed[1] != old
    assert ask(desk, "AAA", "BBB") == mixed


@dataclass
class Silent(Shelf):
    """A store that cannot tell its version."""

    asked: list[str] = field(default_factory=list)

    def version(self) -> None:
        return None


@pytest.mark.parametrize(("kind", "cache"), [(Silent, True), (Shelf, False)])
def test_without_versions_or_the_setting_the_store_is_always_asked(
    champion_folder: Path, kind: type[Shelf], cache: bool
) -> None:
    shelf = kind([daily_row("AAA")], [], [issued_row("AAA", 0.1, 0.5)])
    desk = make_desk(champion_folder, shelf, cache=cache)
    assert ask(desk, "AAA") == ask(desk, "AAA")
    assert shelf.reads == [["AAA"], ["AAA"]]


def test_the_memory_is_bounded_and_of_one_basis() -> None:
    memory = AnswerMemory(max_symbols=2)
    memory.keep("one", [answer("A"), answer("B"), answer("C")])
    assert set(memory.find("one", ["A", "C", "D"])) == {"A", "C"}
    assert memory.find("two", ["A"]) == {}
    memory.keep("one", [answer("D")])
    assert set(memory.find("one", ["A", "B", "C", "D"])) == {"D"}
    memory.keep("two", [answer("A")])
    assert memory.find("one", ["D"]) == {}


def test_rows_are_remembered_within_bounds_and_unknown_symbols_too() -> None:
    shelf = Shelf([daily_row("AAA"), daily_row("BBB")], [], [issued_row("AAA", 0.1, 0.5)])
    reader = RememberingReader(shelf, max_symbols=2)
    assert reader.read(["AAA", "ZZZ"]).daily["symbol"].to_list() == ["AAA"]
    assert reader.read(["BBB", "AAA"]).daily["symbol"].to_list() == ["AAA", "BBB"]
    assert shelf.reads == [["AAA", "ZZZ"], ["BBB"]]
    assert reader.read(["AAA"]).issued["rank"].to_list() == [0.5]
    assert shelf.reads[2:] == [["AAA"]]


def test_a_reader_of_a_store_without_versions_passes_every_question_on() -> None:
    shelf = Silent([daily_row("AAA")])
    reader = RememberingReader(shelf)
    assert [reader.read(["AAA"]).daily.height, reader.read(["AAA"]).daily.height] == [1, 1]
    assert shelf.reads == [["AAA"], ["AAA"]]
    assert reader.published() == shelf.newest
