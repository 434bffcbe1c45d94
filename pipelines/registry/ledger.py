"""The model ledger: every promotion, rejection and rollback, and every load behind what was read already."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

import polars as pl

from pipelines.base.digest import digest_of
from pipelines.base.errors import BadDataError
from pipelines.base.lake import Lake
from pipelines.base.signature import account, host
from pipelines.tables.contracts import OPS_MODEL_LEDGER

Kind = Literal["bootstrap", "promotion", "rollback", "rejection", "acceptance", "lineage", "history_load"]
INSTALLING: tuple[Kind, ...] = ("bootstrap", "promotion", "rollback")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One decision about which model is champion.

    Attributes
    ----------
    entry_id : str
        Identity of the decision, from `identify_decision`.
    kind : {"bootstrap", "promotion", "rollback", "rejection", "acceptance", "lineage", "history_load"}
        An ``acceptance`` is a person's word that a model's suspiciously good result is no leak, a ``lineage``
        that its inputs, made otherwise now, are as good as those that it was trained on. A
        ``history_load`` decides nothing: it names the issues and models whose past it has added to.
    as_of : date
        Session from which on it holds.
    model_key, model_version : str
        The model decided upon.
    previous_version : str
        Champion before the decision; empty where there was none.
    who, why : str
    numbers : mapping
        What was compared, with its results; JSON values only.
    decided_at : datetime
        UTC; later than that of every entry before it.
    account, host : str or None
        The system's user whose process decided, and its machine, as they are appended; None in entries of
        before they were kept.
    """

    entry_id: str
    kind: Kind
    as_of: date
    model_key: str
    model_version: str
    previous_version: str
    who: str
    why: str
    numbers: Mapping[str, Any]
    decided_at: datetime
    account: str | None = None
    host: str | None = None

    @property
    def installs(self) -> bool:
        """Whether the decision makes its model the champion."""
        return self.kind in INSTALLING

    @property
    def lost(self) -> tuple[str, ...]:
        """Comparisons that the model lost when it was installed all the same."""
        return tuple(self.numbers.get("lost", ()))

    def headline(self) -> str:
        """Return one line that names the model and, plainly, what it lost."""
        lost = f"; lost to: {', '.join(self.lost)}" if self.lost else ""
        return f"version {self.model_version} ({self.kind} as of {self.as_of}{lost})"


def read_ledger(lake: Lake) -> list[LedgerEntry]:
    """Return all decisions in order of as-of and decision; a few rows a week, so they are collected."""
    rows = lake.collect_table(OPS_MODEL_LEDGER).sort("as_of", "decided_at", "entry_id")
    return [LedgerEntry(**{**row, "numbers": json.loads(row["numbers"])}) for row in rows.to_dicts()]


def identify_decision(
    kind: Kind, as_of: date, model_key: str, *, current: LedgerEntry | None, why: str
) -> str:
    """Return a decision's identity: the same one, taken again after the same, is not written again."""
    return digest_of(kind, str(as_of), model_key, current.entry_id if current else "", why)


def select_champion(entries: Sequence[LedgerEntry], as_of: date) -> LedgerEntry | None:
    """Return the last installing decision whose as-of is not later, None before the first.

    Parameters
    ----------
    entries : sequence of LedgerEntry
        In the order of `read_ledger`.
    """
    installed = [entry for entry in entries if entry.installs and entry.as_of <= as_of]
    return installed[-1] if installed else None


def check_reason(why: str, says: str) -> str:
    """Return a person's reason without the blanks around it.

    Raises
    ------
    BadDataError
        If there is none; the message says that it must say `says`.
    """
    if not why.strip():
        msg = f"why='' must say {says}; the ledger is read by auditors"
        raise BadDataError(msg)
    return why.strip()


def ledger_head(entries: Sequence[LedgerEntry]) -> str:
    """Return the identity of the decision that changed the champion last, empty before the first.

    Whoever decides on the ground of a ledger writes only if this is still the same.
    """
    installed = [entry for entry in entries if entry.installs]
    return max(installed, key=lambda entry: entry.decided_at).entry_id if installed else ""


def find_withdrawal(entries: Sequence[LedgerEntry], model_key: str, as_of: date) -> LedgerEntry | None:
    """Return the rollback that ended a model's time as champion, None where none did or it came back.

    Models are known by their keys: the same one may be registered under several versions.
    """
    decided = [entry for entry in entries if entry.installs and entry.as_of <= as_of]
    versions = {entry.model_version for entry in decided if entry.model_key == model_key}
    touching = [one for one in decided if one.model_key == model_key or one.previous_version in versions]
    last = touching[-1] if touching else None
    withdrawn = last is not None and last.kind == "rollback" and last.model_key != model_key
    return last if withdrawn else None


def next_instant(entries: Sequence[LedgerEntry], now: datetime) -> datetime:
    """When a new decision counts as taken: `now`, or just after the last one if the clock stands still."""
    last = max((entry.decided_at for entry in entries), default=None)
    return now if last is None or now > last else last + timedelta(microseconds=1)


def append_entry(lake: Lake, entry: LedgerEntry) -> bool:
    """Append a decision unless it is there already and tell whether it was appended."""
    if any(known.entry_id == entry.entry_id for known in read_ledger(lake)):
        return False
    signed = replace(entry, account=account(), host=host())
    row = {name: getattr(signed, name) for name in OPS_MODEL_LEDGER.columns}
    row["numbers"] = json.dumps(entry.numbers, sort_keys=True, default=str)
    lake.append(OPS_MODEL_LEDGER, pl.DataFrame([row], schema=dict(OPS_MODEL_LEDGER.schema)))
    return True
