"""Which of a file's columns is which of ours, and what is refused before anything is read."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.base.errors import ContractViolation, SettingsError
from pipelines.io.sources.base import (
    OPTIONAL_ACTION_COLUMNS,
    OPTIONAL_BAR_COLUMNS,
    OPTIONAL_TEXT_COLUMNS,
    REQUIRED_ACTION_COLUMNS,
    REQUIRED_BAR_COLUMNS,
    REQUIRED_TEXT_COLUMNS,
)
from pipelines.io.sources.stores import FileStore, StoredFile

PARQUET_SUFFIXES = (".parquet", ".pq")
CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
SUFFIXES = (*PARQUET_SUFFIXES, *CSV_SUFFIXES)
ALLOWED = f"allowed: {', '.join((*PARQUET_SUFFIXES, *CSV_SUFFIXES))}"
_MAPPINGS = {"bars": "columns", "actions": "action_columns", "texts": "text_columns"}
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
        return f"sources.{self.source}.{_MAPPINGS[self.kind]}"

    @property
    def free_text(self) -> bool:
        """Whether a value may hold blanks and line ends that mean something."""
        return self.kind == "texts"

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


def actions_layout(mapping: Mapping[str, str], source: str) -> Layout:
    """Return the layout of actions; ``date``, ``ex_date`` and ``ex-date`` are accepted for ``session``."""
    return Layout(
        kind="actions",
        required=REQUIRED_ACTION_COLUMNS,
        optional=OPTIONAL_ACTION_COLUMNS,
        aliases=dict.fromkeys(("date", "ex_date", "ex-date"), "session"),
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


def find_files(store: FileStore, place: str, layout: Layout) -> list[StoredFile]:
    """Return the files of a known kind at `place`, all Parquet or all CSV, by path; none is opened.

    A place without any is no fault: the vendor has delivered nothing yet.

    Raises
    ------
    ContractViolation
        If a folder mixes the two kinds (which would read the same records twice where one is an export of the
        other).
    UnavailableError
        If the place does not answer.
    """
    if not place:
        key = f"sources.{layout.source}.{layout.kind}"
        msg = f"{key} is empty; give --{layout.kind} PATH (a file, a folder or a glob)"
        raise SettingsError(msg)
    found = store.expand(place)
    named = len(found) == 1 and not _suffix(found[0].path) and store.is_file(place)
    files = [file for file in found if named or _suffix(file.path)]
    if named:
        raise ContractViolation(layout.kind, "*", f"{place}: unknown kind of file; {ALLOWED}; convert it")
    parquet = [file.path for file in files if is_parquet(file.path)]
    others = [file.path for file in files if not is_parquet(file.path)]
    if parquet and others:
        what = f"{place}: holds Parquet ({parquet[0]}) and CSV ({others[0]}) files; one read takes one kind"
        raise ContractViolation(
            layout.kind, "*", f"{what}; give a glob such as {place.rstrip('/')}/*.parquet"
        )
    return files


def check_file(store: FileStore, file: str, size: int, layout: Layout, separator: str) -> str | None:
    """Return why one file cannot be read as this kind of record, None if it can; it is opened for this.

    A file with a header and no rows is a delivery of nothing.
    """
    if not size:
        return f"{file}: the file is empty (0 bytes); ask for it again"
    if is_parquet(file):
        footer = store.read_footer(file)
        if isinstance(footer, str):
            return f"{file}: not readable as Parquet ({footer}); fetch it again"
        return _check_names(footer.names, file, layout)
    if file.lower().endswith(".gz") and (wrong := store.check_gzip(file)):
        return f"{file}: not a complete gzip file ({wrong}); fetch it again and compare its size"
    return _check_names(read_header(store, file, separator), file, layout)


def _check_names(names: Sequence[str], file: str, layout: Layout) -> str | None:
    try:
        layout.locate(names, file)
    except ContractViolation as error:
        return error.rows
    return None


def read_header(store: FileStore, file: str, separator: str) -> tuple[str, ...]:
    """Return the column names of a CSV file's first line."""
    return tuple(next(csv.reader(store.head(file, 1), delimiter=separator), []))


def is_parquet(file: str) -> bool:
    """Tell by its name whether a file is Parquet."""
    return file.lower().endswith(PARQUET_SUFFIXES)


def stem_of(file: str) -> str:
    """Return a file's base name without the ending that tells its kind."""
    name = file.rpartition("/")[2]
    ending = next((one for one in SUFFIXES if name.lower().endswith(one)), "")
    return name[: len(name) - len(ending)]


def _suffix(file: str) -> bool:
    return file.lower().endswith(SUFFIXES)
