"""The user's own bars, actions and texts, from Parquet or CSV files."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial, reduce
from zoneinfo import ZoneInfo

import polars as pl
from pyspark.sql import DataFrame

from pipelines.base.digest import digest_of
from pipelines.base.errors import ContractViolation
from pipelines.base.frames import Frame
from pipelines.base.lake import Lake
from pipelines.io.sources import plain_files
from pipelines.io.sources.base import (
    Arrival,
    Delivery,
    NotPlain,
    Provision,
    ReadRequest,
    identify_delivery,
)
from pipelines.io.sources.layout import (
    Layout,
    actions_layout,
    bars_layout,
    check_file,
    find_files,
    is_parquet,
    read_header,
    stem_of,
    texts_layout,
)
from pipelines.io.sources.params import FilesParams
from pipelines.io.sources.plain_files import are_modest, are_small, read_here, read_parts
from pipelines.io.sources.spark_files import FileGroup, read_groups
from pipelines.io.sources.stores import FileStore, ParquetFooter, is_local, open_store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """The records of some local files, read anew each time they are iterated."""

    layout: Layout
    params: FilesParams
    arrivals: Mapping[Delivery, datetime | None]

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Yield parts of about `PART_ROWS` records, those of several small files as one."""
        waiting: list[pl.DataFrame] = []
        for one, arrived_at in self.arrivals.items():
            for part in read_parts(one.name, self.layout, self.params, one.id, arrived_at):
                waiting.append(part)
                if sum(frame.height for frame in waiting) >= plain_files.PART_ROWS:
                    yield pl.concat(waiting)
                    waiting = []
        if waiting:
            yield pl.concat(waiting)


class FilesSource:
    """Bars, actions and texts read from files: each file is a delivery, read whole.

    Parameters
    ----------
    name : str
    params : FilesParams
    lake : Lake
        Its engine reads the files that are many, large, elsewhere, or not written plainly.
    """

    def __init__(self, name: str, params: FilesParams, lake: Lake) -> None:
        self.name = name
        self._params, self._lake = params, lake
        self._layouts = {
            "bars": bars_layout(params.columns, name),
            "actions": actions_layout(params.action_columns, name),
            "texts": texts_layout(params.text_columns, name),
        }
        self._places = {"bars": params.bars, "actions": params.actions, "texts": params.texts}
        self._arrivals: dict[str, Arrival] = {}

    @property
    def provides(self) -> dict[str, Provision]:
        """The kinds for which the settings name files."""
        said = partial(
            Provision,
            calendar=self._params.calendar,
            timezone=self._params.timezone,
            stamps_from=self._params.stamps_from_at,
            by_window=False,
            read_by=digest_of(replace(self._params, bars="", actions="", texts="")),
        )
        declared = {
            "bars": said(price_basis=self._params.price_basis),
            "actions": said(),
            "texts": said(),
        }
        return {kind: provision for kind, provision in declared.items() if self._places[kind]}

    def arrival(self, kind: str) -> Arrival | None:
        """Tell where arrivals stand: where the settings say, else in a column that all files have.

        Without a setting every file at the place is opened, so what was chosen first is worth keeping.
        """
        if self._params.arrival is not None:
            return self._params.arrival
        if kind not in self._arrivals:
            store, layout = self._store(kind), self._layouts[kind]
            found = find_files(store, self._places[kind], layout)
            names = [names for file in found if (names := self._names(store, file.path, file.size))]
            stamped = [self._has_stamp(layout, one) for one in names]
            if not stamped:
                return None
            self._arrivals[kind] = "column" if all(stamped) else "none"
        return self._arrivals[kind]

    def _names(self, store: FileStore, file: str, size: int) -> Sequence[str]:
        """Return a file's column names, none of one that cannot be read."""
        if not size:
            return ()
        if not is_parquet(file):
            wrong = store.check_gzip(file) if file.lower().endswith(".gz") else None
            return () if wrong else read_header(store, file, self._params.separator)
        footer = store.read_footer(file)
        return footer.names if isinstance(footer, ParquetFooter) else ()

    @staticmethod
    def _has_stamp(layout: Layout, names: Sequence[str]) -> bool:
        try:
            return "received_at" in layout.locate(names, "")
        except ContractViolation:
            return False

    def _store(self, kind: str) -> FileStore:
        return open_store(self._places[kind], lambda: self._lake.spark)

    def lists_here(self, kind: str) -> bool:
        """Tell whether the files lie on this machine's disk."""
        return is_local(self._places[kind])

    def list_deliveries(self, kind: str, request: ReadRequest) -> list[Delivery]:
        """Return all files, the oldest first; none is opened. See `Source.list_deliveries`."""
        del request
        found = find_files(self._store(kind), self._places[kind], self._layouts[kind])
        deliveries = (identify_delivery(file.path, file.at, file.size) for file in found)
        return sorted(deliveries, key=lambda delivery: (delivery.at, delivery.name))

    def check(self, kind: str, delivery: Delivery) -> str | None:
        """Return why a file cannot be read as this kind of record, else None; it is opened for this."""
        try:
            self._arrived_at(delivery)
        except ValueError:
            setting = f"sources.{self.name}.arrival_pattern={self._params.arrival_pattern!r}"
            return f"{delivery.name}: its name has no instant as {setting} says; rename it or the pattern"
        layout, separator = self._layouts[kind], self._params.separator
        try:
            return check_file(self._store(kind), delivery.name, delivery.size, layout, separator)
        except (OSError, csv.Error) as error:
            return f"{delivery.name}: cannot be opened ({error}); see whether it is still being written"

    def read(self, kind: str, deliveries: Sequence[Delivery], request: ReadRequest) -> Frame:
        """Return the records of some files; see `Source.read`."""
        del request
        layout = self._layouts[kind]
        if not deliveries:
            return pl.DataFrame(schema=dict.fromkeys((*layout.columns, "delivery"), pl.String))
        sizes = {delivery.name: delivery.size for delivery in deliveries}
        log.info("reading %s from %d files at %s", kind, len(sizes), self._places[kind])
        arrivals = {delivery.name: self._arrived_at(delivery) for delivery in deliveries}
        if self._are_here(kind) and are_small(sizes):
            try:
                here = [
                    read_here(file.name, layout, self._params, file.id, arrivals[file.name])
                    for file in deliveries
                ]
                return pl.concat(here)
            except NotPlain as why:
                log.info("left to Spark, which reads what is not written plainly: %s", why)
        origins = {file.name: (file.id, arrivals[file.name]) for file in deliveries}
        groups = self._group(kind, deliveries)
        scanned = read_groups(self._lake.spark, groups, layout, self._params, origins)
        union: Frame = reduce(DataFrame.unionByName, scanned)
        return union

    def read_parts(
        self, kind: str, deliveries: Sequence[Delivery], request: ReadRequest
    ) -> Iterable[pl.DataFrame] | None:
        """Return the records of files that are too many to be held but not too many to be read here."""
        del request
        sizes = {delivery.name: delivery.size for delivery in deliveries}
        if not self._are_here(kind) or are_small(sizes) or not are_modest(sizes):
            return None
        return Parts(self._layouts[kind], self._params, {one: self._arrived_at(one) for one in deliveries})

    def _are_here(self, kind: str) -> bool:
        return bool(self._lake.local_rows) and is_local(self._places[kind])

    def _group(self, kind: str, deliveries: Sequence[Delivery]) -> list[FileGroup]:
        """Put files together whose columns are the same; Spark would match others by position."""
        store = self._store(kind)
        groups: dict[object, FileGroup] = {}
        for delivery in deliveries:
            if not is_parquet(delivery.name):
                header = read_header(store, delivery.name, self._params.separator)
                groups.setdefault(header, FileGroup(header)).files.append(delivery.name)
                continue
            footer = store.read_footer(delivery.name)
            if isinstance(footer, str):
                what = f"{delivery.name}: not readable as Parquet ({footer}); fetch it again"
                raise ContractViolation(kind, "*", what)
            found = groups.setdefault(footer, FileGroup(footer.names, naive=footer.naive))
            found.files.append(delivery.name)
        return list(groups.values())

    def _arrived_at(self, delivery: Delivery) -> datetime | None:
        """Return when a file's records arrived, where it is the file that says so.

        Raises
        ------
        ValueError
            If its name does not hold the instant that the settings look for there.
        """
        if self._params.arrival == "object_time":
            return delivery.at
        if self._params.arrival != "file_name":
            return None
        return parse_instant(delivery.name, self._params.arrival_pattern, self._params.timezone)


def parse_instant(file: str, pattern: str, timezone: str) -> datetime:
    """Return the instant in a file's base name, with or without its ending; no zone means `timezone`.

    Raises
    ------
    ValueError
        If the name does not follow `pattern` (strptime).
    """
    name, stem = file.rpartition("/")[2], stem_of(file)
    try:
        read = datetime.strptime(stem, pattern)  # noqa: DTZ007 - the zone follows
    except ValueError:
        read = datetime.strptime(name, pattern)  # noqa: DTZ007
    return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)
