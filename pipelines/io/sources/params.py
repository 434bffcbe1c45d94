"""Parameters of the sources, as the settings nest them. `conf/base/sources.yaml` explains each key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from simulation.params import SimulatedParams

PriceBasis = Literal["raw", "split", "total_return"]
FileArrival = Literal["column", "object_time", "file_name", "none"]
KINDS = ("bars", "actions", "texts")
"""Kinds of record that a source may deliver; splits and dividends may also stand on the bar of their day."""
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSourceParams(SimulatedParams):
    """The simulated market as a source."""

    kind: Literal["simulated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesParams:
    """Where the user's own files lie and how they are written.

    `columns`, `action_columns` and `text_columns` map the file's names to ours. `price_basis` has to be true:
    with ``raw`` splits and dividends are applied, with the others they are not applied again.
    `arrival` says where a record's arrival stands; None: in the column ``received_at`` if all files have one,
    else nowhere. A file that is written again carries a new time, so ``object_time`` is for places where
    files are left as they came.
    """

    kind: Literal["files"]
    bars: str = ""
    actions: str = ""
    texts: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    action_columns: Mapping[str, str] = field(default_factory=dict)
    text_columns: Mapping[str, str] = field(default_factory=dict)
    separator: str = ","
    date_formats: tuple[str, ...] = ("yyyy-MM-dd", "yyyyMMdd")
    price_basis: PriceBasis | None = None
    arrival: FileArrival | None = None
    arrival_pattern: str = ""
    stamps_from: date | None = None
    calendar: str
    timezone: str

    @property
    def stamps_from_at(self) -> datetime | None:
        """The first instant from which arrival times count; None: all do."""
        if self.stamps_from is None:
            return None
        midnight = datetime.combine(self.stamps_from, time(), tzinfo=ZoneInfo(self.timezone))
        return midnight.astimezone(UTC)

    def __post_init__(self) -> None:
        if (self.arrival == "file_name") != bool(self.arrival_pattern):
            msg = (
                f"arrival_pattern={self.arrival_pattern!r} must say where the instant stands in a file's "
                f"name, such as bars_%Y%m%dT%H%M%S, if arrival={self.arrival!r} is file_name, and be empty "
                f"otherwise"
            )
            raise ValueError(msg)
        if self.arrival_pattern and not _names_a_day(self.arrival_pattern):
            msg = f"arrival_pattern={self.arrival_pattern!r} must hold year, month and day, such as %Y%m%d"
            raise ValueError(msg)
        if len(self.separator) != 1:
            msg = f"separator={self.separator!r} must be one character, such as ',' or ';' or a tab"
            raise ValueError(msg)
        if not self.date_formats:
            msg = "date_formats=() must name at least one pattern, such as yyyy-MM-dd"
            raise ValueError(msg)
        if self.bars and self.price_basis is None:
            msg = "price_basis=None must be raw, split or total_return where bars are named"
            raise ValueError(msg)


SourceParams: TypeAlias = FilesParams | SimulatedSourceParams


def _names_a_day(pattern: str) -> bool:
    """Tell whether a strptime pattern gives a date back that was written with it."""
    written = datetime(2024, 11, 23, 17, 45, 59, tzinfo=UTC)
    try:
        return datetime.strptime(written.strftime(pattern), pattern).date() == written.date()  # noqa: DTZ007
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsParams:
    """Which source delivers each kind of record, by its key under `sources`; None: there are none.

    What the sources `beside` provide lands beside the primary feeds; features never read it. The primary
    feeds of the kinds `required` decide how an ingest ends.
    """

    bars: str
    actions: str | None
    texts: str | None
    beside: tuple[str, ...]
    required: tuple[str, ...]

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.required if kind not in KINDS or getattr(self, kind) is None]
        if unknown:
            msg = f"feeds.required names {', '.join(unknown)}; it may name bars and kinds that have a source"
            raise ValueError(msg)
        if len(set(self.beside)) < len(self.beside):
            msg = f"feeds.beside={list(self.beside)} must name each source once"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesParams:
    """The feeds and the sources that they name. A source's name stands on each record that it delivered."""

    feeds: FeedsParams
    sources: Mapping[str, SourceParams]

    def __post_init__(self) -> None:
        for key in self.sources:
            if not NAME.fullmatch(key):
                msg = f"sources.{key} must be a name of lower-case letters, digits and underscores"
                raise ValueError(msg)
        named = [(f"feeds.{kind}", self.source_of(kind)) for kind in KINDS]
        for setting, name in (*named, *(("feeds.beside", name) for name in self.feeds.beside)):
            if name is not None and name not in self.sources:
                msg = f"{setting}={name!r} must be a key of sources: {', '.join(sorted(self.sources))}"
                raise ValueError(msg)
        params = self.sources[self.feeds.bars]
        if isinstance(params, FilesParams) and not params.bars:
            msg = f"sources.{self.feeds.bars}.bars='' must name a file, folder or glob; --bars PATH sets it"
            raise ValueError(msg)

    def source_of(self, kind: str) -> str | None:
        """Return the name of the source that delivers a kind of record (`KINDS`); None if nobody does."""
        name: str | None = getattr(self.feeds, kind)
        return name
