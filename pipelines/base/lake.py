"""What the stages ask of the Delta tables; `pipelines.io.lake` answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import polars as pl

from pipelines.base.frames import Changes, DistributedFrame, Frame, Step
from pipelines.base.table import TableContract


class Lake(Protocol):
    """Delta tables under one root.

    Names say where rows end up: `scan_…` leaves them in the distributed engine, `collect_…` brings them into
    this process, and ``…_if_small`` does so only up to ``lake.local_rows``. Queries come from
    `pipelines.tables.queries`; a table ``layer.noun`` is called ``layer_noun`` in them.
    """

    root: str
    """Where the tables lie: a folder, or any Hadoop path."""
    local_rows: int
    """Up to so many rows work is done in this process; 0 sends everything to the distributed engine."""

    @property
    def spark(self) -> Any:
        """The distributed engine's own session: for `pipelines.io` alone."""
        ...

    @property
    def reads_here(self) -> bool:
        """Whether small questions are answered in this process, without the distributed engine."""
        ...

    def path(self, name: str) -> str:
        """Return the place of table `name` (``layer.noun``)."""
        ...

    def start(self) -> None:
        """Start the distributed engine now."""
        ...

    def exists(self, contract: TableContract) -> bool:
        """Tell whether the table has been created; tables are never dropped."""
        ...

    def version(self, contract: TableContract) -> int | None:
        """Return the table's latest Delta version, None where there is no table yet."""
        ...

    def versions(self, contracts: Sequence[TableContract]) -> dict[str, int | None]:
        """Return the latest version of each table."""
        ...

    def scan_table(self, contract: TableContract, *, at_version: int | None = None) -> DistributedFrame:
        """Return the table's columns in contract order; an absent table or column reads as empty or null."""
        ...

    def scan_query(self, query: str, *contracts: TableContract) -> DistributedFrame:
        """Return the rows of a query over the tables of `contracts`."""
        ...

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Bring a frame here whose size the caller has bounded; one that is here already is handed back."""
        ...

    def collect_query(self, query: str, *contracts: TableContract) -> pl.DataFrame:
        """Bring the rows of a query here, which the caller has bounded."""
        ...

    def collect_table(self, contract: TableContract) -> pl.DataFrame:
        """Bring a table of few rows here; the frame is kept while the table's version stays."""
        ...

    def collect_query_if_small(self, query: str, *contracts: TableContract) -> Frame:
        """Bring the rows of a query here if they are few, else leave them in the distributed engine."""
        ...

    def changed(self, contract: TableContract, column: str, *, since: int | None) -> set[Any] | None:
        """Return the values of `column` in rows that changed after version `since`; None: compare in full."""
        ...

    def changed_rows(
        self, contract: TableContract, columns: Sequence[str], *, since: int | None
    ) -> set[tuple[Any, ...]] | None:
        """Return what some columns hold in rows that changed after version `since`; see `changed`."""
        ...

    def append(self, contract: TableContract, frame: Frame, *, txn: str | None = None) -> bool:
        """Append rows in one commit and tell whether there was one; a repeated `txn` is skipped."""
        ...

    def append_parts(
        self, contract: TableContract, parts: Iterable[pl.DataFrame], *, txn: str | None = None
    ) -> bool:
        """Append rows that come a part at a time, in one commit; an error among them leaves none."""
        ...

    def replace(self, contract: TableContract, frame: Frame, *, scope: str) -> Changes:
        """Make the rows of `scope` equal to `frame`, writing only what differs."""
        ...

    def replace_parts(
        self, contract: TableContract, parts: Iterable[tuple[pl.DataFrame, str]], *, whole: bool = True
    ) -> Changes:
        """Make rows equal to parts, each with the condition of what it owns; `whole`: of all of the table."""
        ...

    def insert_absent(self, contract: TableContract, frame: Frame, *, scope: str = "true") -> int:
        """Append the rows whose key the table does not hold yet; return how many."""
        ...

    def distribute(self, frame: Frame, schema: Mapping[str, Any]) -> DistributedFrame:
        """Return a frame in the distributed engine; one of this process takes on the given schema."""
        ...

    def map_groups(self, frame: Frame, by: Sequence[str], step: Step, schema: Mapping[str, Any]) -> Frame:
        """Run a Polars step on every group of `frame`, where the frame is."""
        ...

    def map_batches(self, frame: Frame, step: Step, schema: Mapping[str, Any]) -> Frame:
        """Run a row-wise Polars step on batches of `frame`, where the frame is."""
        ...
