"""Rows as the stages hand them on: in this process, or in the distributed engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import polars as pl


class DistributedFrame(Protocol):
    """Rows that the distributed engine holds, described and not computed: the verbs that stages use of it.

    Expressions are SQL over the frame's own columns.
    """

    columns: list[str]

    def select(self, *columns: str) -> DistributedFrame: ...
    def selectExpr(self, *expressions: str) -> DistributedFrame: ...
    def where(self, condition: str) -> DistributedFrame: ...
    def join(self, other: DistributedFrame, on: Any, how: str) -> DistributedFrame: ...
    def drop(self, *columns: str) -> DistributedFrame: ...
    def unionByName(self, other: DistributedFrame) -> DistributedFrame: ...
    def distinct(self) -> DistributedFrame: ...
    def count(self) -> int: ...
    def collect(self) -> list[Any]: ...


Frame: TypeAlias = pl.DataFrame | DistributedFrame
"""Rows in this process, or in the distributed engine: the same step works on either."""

Step = Callable[[pl.DataFrame], pl.DataFrame]
"""A pure step over the rows of one group or batch; both kinds of frame are run through it alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Rows that a write inserted, updated and deleted."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def total(self) -> int:
        """All rows touched."""
        return self.inserted + self.updated + self.deleted
