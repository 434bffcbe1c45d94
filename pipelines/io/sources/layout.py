"""Which of a file's columns is which of ours, and what is refused before anything is read."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.base.errors import ContractViolation, SettingsError
from pipelines.io.sources.base import (
    OPTIONAL_BAR_COLUMNS,
    OPTIONAL_TEXT_COLUMNS,
    REQUIRED_BAR_COLUMNS,
    REQUIRED_TEXT_COLUMNS,
)
from pipelines.io.sources.stores import FileStore

PARQUET_SUFFIXES = (".parquet", ".pq")
CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_LOOKS_LIKE_DATA = re.compile(r"^\s*(-?\d+([.,]\d+)?([eE][-+]?\d+)?|\d{4}-\d{2}-\d{2}.*|)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns of one kind of record and the names that a file may give them.

    `aliases` are names accepted without a mapping; `mapping` is the user's own, theirs to ours.
    `source` is the source's name in the settings.
    """

    kind: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    aliases: Mapping[str, str]
    mapping: Mapping[str, str]
    source: str

    def __post_init__(self) -> None:
        unknown = sorted(set(self.mapping.values()) - set(self.columns))
        if unknown:
            msg = (
                f"{self.setting} maps to {', '.join(unknown)}; allowed on the right-hand side: "
                f"{', '.join(self.columns)}"
            )
            raise SettingsError(msg)

    @property
    def columns(self) -> tuple[str, ...]:
        """All of our columns, in order."""
        return self.required + self.optional

    @property
    def setting(self) -> str:
        """The settings key of the user's mapping."""
        return f"sources.{self.source}.{'columns' if self.kind == 'bars' else 'text_columns'}"

    def locate(self, names: Sequence[str], file: str) -> dict[str, int]:
        """Return our column -> position in the file.

        A mapped name wins over the same name unmapped; case and surrounding blanks do not matter.

        Raises
        ------
        ContractViolation
            If a required column is missing or one of ours is found twice.
        """
        mapped = {theirs.strip().lower(): ours for theirs, ours in self.mapping.items()}
        known = {name: name for name in self.columns if name not in self.mapping.values()}
        known |= {theirs: ours for theirs, ours in self.aliases.items() if ours in known}
        found: dict[str, int] = {}
        for position, name in enumerate(names):
            cleaned = name.strip().strip("\ufeff").lower()
            ours = mapped.get(cleaned) or known.get(cleaned)
            if ours is None:
                continue
            if ours in found:
                twice = f"columns {names[found[ours]]!r} and {name!r} both stand for it; keep one"
                raise ContractViolation(self.kind, ours, f"{file}: {twice} or map one in {self.setting}")
            found[ours] = position
        self._check_required(found, names, file)
        return found

    def _check_required(self, found: Mapping[str, int], names: Sequence[str], file: str) -> None:
        missing = [name for name in self.required if name not in found]
        if not missing:
            return
        shown = ", ".join(repr(name) for name in names[:20])
        if not found and any(_LOOKS_LIKE_DATA.match(name) for name in names):
            what = f"the first line looks like data, not like a header: {shown}; write the header line first"
        else:
            what = f"missing {', '.join(missing)}; found the columns {shown}"
        step = f"needed are {', '.join(self.required)}; name the file's own columns in {self.setting}"
        raise ContractViolation(self.kind, missing[0], f"{file}: {what}; {step}")


def bars_layout(mapping: Mapping[str, str], source: str) -> Layout:
    """Return the layout of bars; ``date`` is accepted for ``session``."""
    return Layout(
        kind="bars",
        required=REQUIRED_BAR_COLUMNS,
        optional=OPTIONAL_BAR_COLUMNS,
        aliases={"date": "session"},
        mapping=mapping,
        source=source,
    )


def texts_layout(mapping: Mapping[str, str], source: str) -> Layout:
    """Return the layout of texts; ``source`` is accepted for ``origin``."""
    return Layout(
        kind="texts",
        required=REQUIRED_TEXT_COLUMNS,
        optional=OPTIONAL_TEXT_COLUMNS,
        aliases={"source": "origin"},
        mapping=mapping,
        source=source,
    )


def find_files(store: FileStore, place: str, layout: Layout) -> list[str]:
    """Return the readable files at `place`: all Parquet or all CSV.

    Raises
    ------
    ContractViolation
        If there is none, one is empty or truncated, or a folder mixes the two kinds (which would
        read the same records twice where one is an export of the other).
    """
    if not place:
        key = f"sources.{layout.source}.{layout.kind}"
        msg = f"{key} is empty; give --{layout.kind} PATH (a file, a folder or a glob)"
        raise SettingsError(msg)
    files = [file for file in store.expand(place) if store.is_file(place) or _suffix(file)]
    allowed = f"allowed: {', '.join((*PARQUET_SUFFIXES, *CSV_SUFFIXES))}"
    if not files:
        raise ContractViolation(
            layout.kind, "*", f"{place}: no readable file there; {allowed}; check the path"
        )
    strange = [file for file in files if not _suffix(file)]
    if strange:
        raise ContractViolation(
            layout.kind, "*", f"{strange[0]}: unknown kind of file; {allowed}; convert it"
        )
    parquet = [file for file in files if is_parquet(file)]
    others = [file for file in files if not is_parquet(file)]
    if parquet and others:
        what = f"{place}: holds Parquet ({parquet[0]}) and CSV ({others[0]}) files; one read takes one kind"
        raise ContractViolation(
            layout.kind, "*", f"{what}; give a glob such as {place.rstrip('/')}/*.parquet"
        )
    for file in files:
        _check_content(store, file, layout)
    return files


def read_header(store: FileStore, file: str, separator: str) -> tuple[str, ...]:
    """Return the column names of a CSV file's first line."""
    return tuple(next(csv.reader(store.head(file, 1), delimiter=separator), []))


def is_parquet(file: str) -> bool:
    """Tell by its name whether a file is Parquet."""
    return file.lower().endswith(PARQUET_SUFFIXES)


def _suffix(file: str) -> bool:
    return file.lower().endswith((*PARQUET_SUFFIXES, *CSV_SUFFIXES))


def _check_content(store: FileStore, file: str, layout: Layout) -> None:
    """Refuse a file that is empty, truncated, or holds a header alone."""
    if not store.size(file):
        raise ContractViolation(layout.kind, "*", f"{file}: the file is empty (0 bytes); ask for it again")
    if is_parquet(file):
        return
    if file.lower().endswith(".gz") and (wrong := store.check_gzip(file)):
        what = f"{file}: not a complete gzip file ({wrong}); fetch it again and compare its size"
        raise ContractViolation(layout.kind, "*", what)
    if len([line for line in store.head(file, 2) if line.strip()]) < 2:
        what = f"{file}: has no rows below its first line; remove the file or ask for it again"
        raise ContractViolation(layout.kind, "*", what)
