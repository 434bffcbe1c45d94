"""The memory in front of the online store never answers older than the last publication."""

from __future__ import annotations

from dataclasses import dataclass

from serving.online import OnlineRows, RememberingReader
from tests.serving.parts import Shelf, daily_row, issued_row, text_row


def value_of(reader: RememberingReader, symbol: str) -> float:
    return reader.read([symbol]).daily["mom_return_1d"][0]


def test_rows_are_read_once_until_the_version_changes() -> None:
    shelf = Shelf([daily_row("AAA", mom_return_1d=1.0), daily_row("BBB")], [text_row("AAA")])
    reader = RememberingReader(shelf)
    assert value_of(reader, "AAA") == 1.0
    assert reader.read(["AAA", "BBB"]).daily["symbol"].to_list() == ["AAA", "BBB"]
    assert shelf.reads == [["AAA"], ["BBB"]]
    shelf.daily[0], shelf.number = daily_row("AAA", mom_return_1d=2.0), 1
    assert value_of(reader, "AAA") == 2.0


def test_unknown_symbols_are_remembered_as_unknown() -> None:
    shelf = Shelf([daily_row("AAA")], [], [issued_row("AAA", 0.1, 0.5)])
    reader = RememberingReader(shelf)
    assert [reader.read(["ZZZ", "AAA"]).daily["symbol"].to_list() for _ in range(2)] == [["AAA"], ["AAA"]]
    assert shelf.reads == [["ZZZ", "AAA"]]


def test_the_memory_is_bounded() -> None:
    shelf = Shelf([daily_row("AAA")])
    reader = RememberingReader(shelf, max_symbols=2)
    for symbol in ("A1", "A2", "A3", "A1"):
        reader.read([symbol])
    assert shelf.reads == [["A1"], ["A2"], ["A3"], ["A1"]]


@dataclass
class Publishing(Shelf):
    """Publishes in the middle of the first read."""

    def read(self, symbols) -> OnlineRows:
        rows = super().read(symbols)
        if len(self.reads) == 1:
            self.daily[0], self.number = daily_row("AAA", mom_return_1d=2.0), 1
        return rows


def test_a_publication_during_the_read_is_not_mixed_into_the_memory() -> None:
    reader = RememberingReader(Publishing([daily_row("AAA", mom_return_1d=1.0)]))
    assert [value_of(reader, "AAA") for _ in range(2)] == [2.0, 2.0]


@dataclass
class Silent(Shelf):
    """A store that cannot tell its version."""

    def version(self) -> None:
        return None


def test_a_store_without_versions_is_always_asked() -> None:
    shelf = Silent([daily_row("AAA", mom_return_1d=1.0)])
    reader = RememberingReader(shelf)
    assert value_of(reader, "AAA") == 1.0
    shelf.daily[0] = daily_row("AAA", mom_return_1d=2.0)
    assert value_of(reader, "AAA") == 2.0
