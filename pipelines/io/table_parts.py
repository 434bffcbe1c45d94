"""A table's rows that come a part at a time, compared with those that stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import polars as pl

from pipelines.base.frames import Changes
from pipelines.base.table import TableContract
from pipelines.io.frames import local_difference

Part = tuple[pl.DataFrame, str]
"""Rows, and the condition of the rows that they are to be all of."""


class ComparedParts:
    """What parts would change in a table.

    Parameters
    ----------
    contract : TableContract
    read : callable
        From a condition to the table's rows that meet it.
    """

    def __init__(self, contract: TableContract, read: Callable[[str], pl.DataFrame]) -> None:
        self._contract = contract
        self._read = read
        self._compared: list[Part] = []
        self._counts: Counter[str] = Counter()

    def compare(self, parts: Iterator[Part], *, most: int | None) -> bool:
        """Compare parts, but none after more than `most` rows differ; tell whether all were compared."""
        for rows, scope in parts:
            self._compared.append((self._differing(rows, self._read(scope)), scope))
            if most is not None and self._counts.total() > most:
                return False
        return True

    def _differing(self, rows: pl.DataFrame, stands: pl.DataFrame) -> pl.DataFrame:
        difference = local_difference(self._contract, rows.select(self._contract.columns), stands)
        self._counts.update(dict(difference.group_by("_change").len().iter_rows()))
        return difference

    def difference(self) -> pl.DataFrame:
        """Return the rows to insert, update or delete, marked in ``_change``."""
        return pl.concat([difference for difference, _ in self._compared])

    def all_rows(self, parts: Iterator[Part]) -> Iterator[pl.DataFrame]:
        """Yield all rows that the table is to hold: of the parts compared, and of those that follow."""
        columns = self._contract.columns
        for difference, scope in self._compared:
            kept = self._read(scope).join(difference, on=self._contract.key, how="anti")
            fresh = difference.filter(pl.col("_change") != "delete")
            yield pl.concat([kept.select(columns), fresh.select(columns)])
        for rows, scope in parts:
            self._differing(rows, self._read(scope))
            yield rows.select(columns)

    @property
    def changes(self) -> Changes:
        """How many rows differ, as far as was compared."""
        marks = self._counts
        return Changes(inserted=marks["insert"], updated=marks["update"], deleted=marks["delete"])


def count_changes(counts: Iterable[tuple[Any, ...]]) -> Changes:
    """Return how many rows each mark of ``_change`` has, from (mark, rows)."""
    marks = dict(counts)
    return Changes(
        inserted=marks.get("insert", 0), updated=marks.get("update", 0), deleted=marks.get("delete", 0)
    )
