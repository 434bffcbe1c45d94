"""The lake as it stood at one moment: what is read of it stays, whoever writes to it meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from deltalake import DeltaTable
from pyspark.sql import DataFrame

from pipelines.base import lake as base
from pipelines.base.context import Context
from pipelines.base.table import TableContract
from pipelines.io.delta_folder import DeltaFolder
from pipelines.io.lake import Lake
from pipelines.io.run_log import RunLog
from pipelines.tables.contracts import OPS_STAGE_RUNS


def pin(context: Context, tables: Iterable[TableContract]) -> Context:
    """Return the context with some tables, and the run log, as they are now.

    The caller holds the writer's lock, so that the versions belong together. Files that a later write has
    replaced are kept for `maintain.table_retention_days`, which no fit should outlast.

    Parameters
    ----------
    tables : iterable of TableContract
        All that will be read: any other table is refused, since nobody would know its version.
    """
    lake = PinnedLake(context.lake, context.lake.versions([*tables, OPS_STAGE_RUNS]))
    return replace(context, lake=lake, run_log=RunLog(lake))


class PinnedLake(Lake):
    """Reads the tables of a lake at the Delta versions given, and writes none.

    Parameters
    ----------
    lake : Lake
    versions : mapping of table to Delta version
        None for a table that does not exist yet: it reads as empty, also once it does.
    """

    def __init__(self, lake: base.Lake, versions: Mapping[str, int | None]) -> None:
        super().__init__(lake.root, lambda: lake.spark, local_rows=lake.local_rows)
        self._pins = _Pins(versions)
        if lake.reads_here:
            self._folder = _PinnedFolder(Path(lake.root.removeprefix("file:")), self._pins)

    def exists(self, contract: TableContract) -> bool:
        """Tell whether the table existed."""
        return self._pins.version(contract) is not None

    def version(self, contract: TableContract) -> int | None:
        """Return the version at which the table is read."""
        return self._pins.version(contract)

    def scan_table(self, contract: TableContract, *, at_version: int | None = None) -> DataFrame:
        """Return the table's columns in contract order, as `Lake.scan_table` does."""
        pinned = self._pins.version(contract)
        return super().scan_table(contract, at_version=pinned if at_version is None else at_version)

    def changed_rows(self, contract: TableContract, *_arguments: object, **_options: object) -> NoReturn:
        """Refuse to follow changes: they are those of the lake itself."""
        raise _refusal(contract, "asked for its changes")

    def ensure(self, contract: TableContract) -> NoReturn:
        """Refuse to write."""
        raise _refusal(contract, "written to")

    def _merge(self, contract: TableContract, *_arguments: object) -> NoReturn:
        raise _refusal(contract, "written to")


class _Pins:
    """At which version each table is read."""

    def __init__(self, versions: Mapping[str, int | None]) -> None:
        self._versions = dict(versions)

    def version(self, contract: TableContract) -> int | None:
        if contract.name not in self._versions:
            msg = (
                f"{contract.name} is read and was not pinned, only {', '.join(sorted(self._versions))} were; "
                "name it among the tables that the stage reads"
            )
            raise ValueError(msg)
        return self._versions[contract.name]


class _PinnedFolder(DeltaFolder):
    """Reads the tables of a folder at their pinned versions."""

    def __init__(self, root: Path, pins: _Pins) -> None:
        super().__init__(root)
        self._pins = pins

    def _open(self, contract: TableContract) -> DeltaTable | None:
        version = self._pins.version(contract)
        if version is None:
            return None
        place = str(self._place(contract))
        if place not in self._opened:
            self._opened[place] = DeltaTable(place, version=version)
        return self._opened[place]


def _refusal(contract: TableContract, what: str) -> ValueError:
    return ValueError(f"{contract.name} is pinned and cannot be {what}; ask the lake itself, under its lock")
