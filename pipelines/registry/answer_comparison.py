"""Which symbols are compared, and whether served answers equal the batch scorer's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from serving.schemas import SymbolForecast

LEVELS = ("value", "q10", "q50", "q90")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The outcome of a comparison.

    Attributes
    ----------
    compared : int
        Symbols compared.
    largest : float
        Largest absolute difference found, 0 where nothing could be subtracted.
    mismatches : tuple of str
        One line a symbol whose answers differ.
    """

    compared: int
    largest: float
    mismatches: tuple[str, ...]


def choose_symbols(symbols: Sequence[str], count: int) -> list[str]:
    """Return up to `count` symbols, spread evenly over the alphabet, so that a re-run compares the same."""
    known = sorted(set(symbols))
    if len(known) <= count:
        return known
    return [known[place * len(known) // count] for place in range(count)]


def compare_answers(served: Sequence[SymbolForecast], batch: pl.DataFrame, tolerance: float) -> Parity:
    """Hold served answers against the batch scorer's.

    Parameters
    ----------
    served : sequence of SymbolForecast
    batch : polars.DataFrame
        `symbol`, `value` and, where the family has them, `q10`, `q50`, `q90`; holds every served symbol.
    tolerance : float
        Largest absolute difference that passes.

    Returns
    -------
    Parity
        A symbol without a served number, or with a quantile on one side only, is a mismatch.
    """
    expected = {row["symbol"]: row for row in batch.iter_rows(named=True)}
    largest, mismatches = 0.0, []
    for answer in served:
        row = expected[answer.symbol]
        levels = {"value": answer.value, **dict(answer.quantiles or ())}
        pairs = [(name, levels.get(name), row.get(name)) for name in LEVELS]
        largest = max(
            [largest, *(abs(one - other) for _, one, other in pairs if one is not None and other is not None)]
        )
        faults = [
            f"{name} served {one}, batch {other}"
            for name, one, other in pairs
            if _differ(one, other, tolerance)
        ]
        if faults:
            mismatches.append(f"{answer.symbol} ({answer.status}): {'; '.join(faults)}")
    return Parity(compared=len(served), largest=largest, mismatches=tuple(mismatches))


def _differ(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is not other
    return not abs(one - other) <= tolerance
