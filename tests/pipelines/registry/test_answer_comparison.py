"""What counts as an equal answer."""

from __future__ import annotations

import polars as pl
import pytest

from pipelines.registry.answer_comparison import choose_symbols, compare_answers
from serving.schemas import Quantiles, SymbolForecast


def answer(symbol: str, value: float | None, quantiles: Quantiles | None = None) -> SymbolForecast:
    return SymbolForecast(
        symbol=symbol, status="ok" if value is not None else "stale", value=value, quantiles=quantiles
    )


def batch(**values: float) -> pl.DataFrame:
    return pl.DataFrame({"symbol": list(values), "value": list(values.values())})


def test_symbols_are_spread_over_the_alphabet() -> None:
    names = [f"S{number:02d}" for number in range(10)]
    assert choose_symbols(names[::-1] + names, 4) == ["S00", "S02", "S05", "S07"]
    assert choose_symbols(["B", "A"], 4) == ["A", "B"]
    assert choose_symbols([], 4) == []


def test_answers_within_the_tolerance_are_equal() -> None:
    parity = compare_answers([answer("A", 0.5), answer("B", 1.0 + 5e-7)], batch(A=0.5, B=1.0, C=9.0), 1e-6)
    assert (parity.compared, parity.mismatches) == (2, ())
    assert parity.largest == pytest.approx(5e-7)


def test_a_difference_is_named() -> None:
    parity = compare_answers([answer("A", 0.5)], batch(A=0.25), 1e-6)
    assert parity.mismatches == ("A (ok): value served 0.5, batch 0.25",)
    assert parity.largest == 0.25


def test_a_symbol_without_a_number_is_a_mismatch() -> None:
    assert compare_answers([answer("A", None)], batch(A=0.25), 1e-6).mismatches == (
        "A (stale): value served None, batch 0.25",
    )


def test_a_nan_is_a_mismatch() -> None:
    assert len(compare_answers([answer("A", float("nan"))], batch(A=0.25), 1e-6).mismatches) == 1


def test_quantiles_count_too() -> None:
    served = answer("A", 0.5, Quantiles(q10=-1.0, q50=0.5, q90=2.0))
    rows = batch(A=0.5).with_columns(q10=pl.lit(-1.0), q50=pl.lit(0.5), q90=pl.lit(2.5))
    assert compare_answers([served], rows, 1e-6).mismatches == ("A (ok): q90 served 2.0, batch 2.5",)
    assert len(compare_answers([served], batch(A=0.5), 1e-6).mismatches) == 1
