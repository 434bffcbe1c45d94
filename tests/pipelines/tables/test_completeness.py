"""How many symbols a session needs, with numbers worked by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.tables.completeness import CompletenessParams, needed_symbols, usual_symbols

PARAMS = CompletenessParams(min_symbols=2, min_universe_share=0.8, grace_minutes=20)
TEN = {f"S{number}" for number in range(10)}


def test_a_symbol_of_four_of_the_last_five_sessions_is_usual() -> None:
    recent = [{"OLD", "A"}, {"A", "B"}, {"OLD", "A", "B"}, {"OLD", "A", "B"}, {"OLD", "A"}, {"A", "B"}]
    assert usual_symbols(recent) == {"A", "B"}


def test_before_five_sessions_nothing_is_usual() -> None:
    assert usual_symbols([TEN] * 4) == set()
    assert needed_symbols([TEN] * 4, PARAMS) == 2


@pytest.mark.parametrize(("usual", "needed"), [(10, 8), (9, 8), (1, 2), (0, 2)])
def test_the_share_is_rounded_up_and_the_least_number_holds(usual: int, needed: int) -> None:
    assert needed_symbols([{f"S{number}" for number in range(usual)}] * 5, PARAMS) == needed


def test_a_share_that_comes_out_even_is_not_rounded_up_by_its_last_bit() -> None:
    params = CompletenessParams(min_symbols=1, min_universe_share=0.07, grace_minutes=20)
    assert needed_symbols([{f"S{number}" for number in range(100)}] * 5, params) == 7


def test_grace_is_a_time() -> None:
    assert PARAMS.grace == timedelta(minutes=20)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("min_symbols", 0, "min_symbols=0 must be at least 1"),
        ("min_universe_share", 1.2, "min_universe_share=1.2 must lie in"),
        ("grace_minutes", -1, "grace_minutes=-1 must not be negative"),
    ],
)
def test_impossible_values_are_refused(key: str, value: float, message: str) -> None:
    values = {"min_symbols": 1, "min_universe_share": 0.8, "grace_minutes": 20} | {key: value}
    with pytest.raises(ValueError, match=message):
        CompletenessParams(**values)  # type: ignore[arg-type]
