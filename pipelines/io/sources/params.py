"""Parameters of the sources, as the settings nest them. `conf/base/sources.yaml` explains each key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from simulation.params import SimulatedParams

PriceBasis = Literal["raw", "split", "total_return"]
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSourceParams(SimulatedParams):
    """The simulated market as a source."""

    kind: Literal["simulated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesParams:
    """Where the user's own files lie and how they are written.

    `columns` and `text_columns` map the file's names to ours. `price_basis` has to be true: with
    ``raw`` the splits and dividends of the file are applied, with the others they are not applied again.
    """

    kind: Literal["files"]
    bars: str = ""
    texts: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    text_columns: Mapping[str, str] = field(default_factory=dict)
    separator: str = ","
    date_formats: tuple[str, ...] = ("yyyy-MM-dd", "yyyyMMdd")
    price_basis: PriceBasis | None = None
    calendar: str
    timezone: str

    def __post_init__(self) -> None:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsParams:
    """Which source delivers each kind of record, by its key under `sources`; None: there are none."""

    bars: str
    texts: str | None


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
        for kind in ("bars", "texts"):
            name = self.source_of(kind)
            if name is not None and name not in self.sources:
                msg = f"feeds.{kind}={name!r} must be a key of sources: {', '.join(sorted(self.sources))}"
                raise ValueError(msg)
        params = self.sources[self.feeds.bars]
        if isinstance(params, FilesParams) and not params.bars:
            msg = f"sources.{self.feeds.bars}.bars='' must name a file, folder or glob; --bars PATH sets it"
            raise ValueError(msg)

    def source_of(self, kind: str) -> str | None:
        """Return the name of the source that delivers a kind of record (bars, texts); None if nobody does."""
        name: str | None = getattr(self.feeds, kind)
        return name
