"""Who reigns when, and what makes a decision the same decision."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from pipelines.registry.ledger import (
    LedgerEntry,
    find_withdrawal,
    identify_decision,
    next_instant,
    select_champion,
)

JANUARY, FEBRUARY, MARCH = date(2018, 1, 2), date(2018, 2, 1), date(2018, 3, 1)


def entry(kind: Any, as_of: date, version: str, **more: Any) -> LedgerEntry:
    values = {
        "entry_id": f"{kind}-{as_of}-{version}", "kind": kind, "as_of": as_of, "model_key": f"k{version}",
        "model_version": version, "previous_version": "", "who": "tests", "why": "because", "numbers": {},
        "decided_at": datetime(2018, 3, 1, tzinfo=UTC),
    }  # fmt: skip
    return LedgerEntry(**values | more)


def reign(entries: list[LedgerEntry], as_of: date) -> str | None:
    champion = select_champion(entries, as_of)
    return champion and champion.model_version


def test_champion_is_the_last_installing_decision_not_later_than_the_as_of() -> None:
    entries = [
        entry("bootstrap", JANUARY, "1"),
        entry("rejection", FEBRUARY, "2"),
        entry("promotion", FEBRUARY, "3"),
        entry("rollback", MARCH, "1"),
    ]
    assert reign(entries, date(2017, 12, 29)) is None
    assert reign(entries, JANUARY) == "1"
    assert reign(entries, date(2018, 1, 31)) == "1"
    assert reign(entries, FEBRUARY) == "3"
    assert reign(entries, MARCH) == "1"


def test_rejections_install_nothing() -> None:
    assert reign([entry("rejection", JANUARY, "1")], MARCH) is None


def test_headline_names_what_was_lost() -> None:
    lost = entry("bootstrap", JANUARY, "1", numbers={"lost": ["ridge", "momentum"]})
    assert lost.headline() == "version 1 (bootstrap as of 2018-01-02; lost to: ridge, momentum)"
    assert entry("promotion", JANUARY, "1").headline() == "version 1 (promotion as of 2018-01-02)"


def test_same_decision_after_the_same_one_has_one_identity() -> None:
    first = entry("bootstrap", JANUARY, "1")
    same = [identify_decision("rollback", MARCH, "k1", current=first, why="drift") for _ in range(2)]
    assert same[0] == same[1]
    after_another = identify_decision(
        "rollback", MARCH, "k1", current=entry("promotion", FEBRUARY, "2"), why="drift"
    )
    assert after_another != same[0]
    assert identify_decision("rollback", MARCH, "k1", current=None, why="drift") != same[0]


def test_decisions_are_ordered_even_if_the_clock_stands_still() -> None:
    now = datetime(2018, 3, 1, tzinfo=UTC)
    assert next_instant([], now) == now
    assert next_instant([entry("bootstrap", JANUARY, "1")], now) == datetime(
        2018, 3, 1, 0, 0, 0, 1, tzinfo=UTC
    )
    assert next_instant([entry("bootstrap", JANUARY, "1")], now.replace(day=2)) == now.replace(day=2)


def test_rolled_back_version_is_withdrawn_until_it_is_put_back() -> None:
    history = [entry("bootstrap", JANUARY, "1"), entry("promotion", FEBRUARY, "2", previous_version="1")]
    assert find_withdrawal(history, "k2", MARCH) is None
    assert find_withdrawal(history, "k1", MARCH) is None
    history.append(entry("rollback", FEBRUARY, "1", previous_version="2", why="nonsense"))
    withdrawn = find_withdrawal(history, "k2", MARCH)
    assert withdrawn is not None
    assert withdrawn.why == "nonsense"
    assert find_withdrawal(history, "k2", JANUARY) is None
    assert (
        find_withdrawal([*history, entry("rollback", MARCH, "2", previous_version="1")], "k2", MARCH) is None
    )


def test_a_withdrawn_model_is_known_by_its_key_whatever_version_it_comes_under() -> None:
    history = [
        entry("bootstrap", JANUARY, "1"),
        entry("promotion", FEBRUARY, "2", previous_version="1"),
        entry("rollback", FEBRUARY, "1", previous_version="2", why="nonsense"),
        entry("rejection", MARCH, "3", model_key="k2", previous_version="1"),
    ]
    withdrawn = find_withdrawal(history, "k2", MARCH)
    assert withdrawn is not None
    assert withdrawn.why == "nonsense"
    assert find_withdrawal(history, "k1", MARCH) is None
