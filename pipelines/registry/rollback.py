"""Going back to an earlier champion."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.base.report import SessionRange, StageReport, existing
from pipelines.io.tracking import ModelVersion
from pipelines.io.tracking_params import TrackingParams
from pipelines.registry.champion import Champion, load_model, tracking_of
from pipelines.registry.installation import commit, prepare_if_published
from pipelines.registry.ledger import (
    LedgerEntry,
    check_reason,
    identify_decision,
    ledger_head,
    read_ledger,
    select_champion,
)
from pipelines.registry.lineage import Lineage
from pipelines.registry.trained_models import find_trained
from pipelines.tables import queries
from pipelines.tables.contracts import OPS_STAGE_RUNS

log = logging.getLogger(__name__)


def roll_back(
    context: Context, *, version: str, why: str, as_of: date | None = None, who: str | None = None
) -> LedgerEntry:
    """Make an earlier version the champion again: prepared first, then committed; see `installation`.

    The running service follows by `pipelines.registry.installation.install`, which the caller calls next.

    Parameters
    ----------
    version : str
        Registered version to go back to.
    why : str
        The reason, kept in the ledger.
    as_of : date, optional
        First session for which it holds; the latest one that any stage was run for, or that a
        decision was taken for, if not given.
    who : str, optional
        Who decides; ``tracking.signed_by`` if not given.

    Returns
    -------
    LedgerEntry
        The decision that now holds. Repeating a rollback writes nothing.

    Raises
    ------
    BadDataError
        If no reason is given, the version is unknown or its files are not those that training recorded, or a
        later decision would override this one; or it does not answer as the batch scorer does.
    TransientError
        If another decision came between.
    """
    check_reason(why, "why the champion changes")
    target = tracking_of(context).version(version)
    entries = read_ledger(context.lake)
    lineage, folder = _load_ours(context, target, entries)
    since = as_of or _latest_as_of(context, entries)
    current = select_champion(entries, since)
    _check_not_overridden(entries, since)
    if current is not None and current.model_version == version:
        return current
    began = context.clock()
    entry = LedgerEntry(
        entry_id=identify_decision("rollback", since, target.model_key, current=current, why=why),
        kind="rollback",
        as_of=since,
        model_key=target.model_key,
        model_version=target.version,
        previous_version=current.model_version if current else "",
        who=who or context.params(TrackingParams).signed_by,
        why=why,
        numbers={},
        decided_at=context.clock(),
    )
    prepared = prepare_if_published(context, Champion(entry=entry, lineage=lineage, folder=folder))
    entry = commit(context, entry, head=ledger_head(entries), prepared=prepared)
    report = StageReport(
        stage="rollback",
        rows_out=1,
        inputs=existing(prepared.scored_from) if prepared else {},
        details={"champion": entry.headline(), "why": why},
    )
    with context.writing():
        context.run_log.record(
            report, SessionRange(start=since, end=since), started_at=began, finished_at=context.clock()
        )
    log.warning("rolled back to %s: %s", entry.headline(), why)
    return entry


def _load_ours(context: Context, target: ModelVersion, entries: list[LedgerEntry]) -> tuple[Lineage, Path]:
    """Load a version; refuse one that training did not record and that never was champion."""
    was = any(
        one.installs and (one.model_version, one.model_key) == (target.version, target.model_key)
        for one in entries
    )
    if not was and find_trained(context.lake, target.model_key) is None:
        msg = (
            f"version {target.version} was never champion, and the lake has no record of training it: "
            "nothing vouches for its files; train again"
        )
        raise BadDataError(msg)
    return load_model(context, target.version, target.model_key)


def _check_not_overridden(entries: list[LedgerEntry], since: date) -> None:
    later = [entry for entry in entries if entry.installs and entry.as_of > since]
    if later:
        msg = (
            f"as_of={since} lies before a later decision, {later[-1].headline()}, which would still hold; "
            f"give --as-of {later[-1].as_of} or later"
        )
        raise BadDataError(msg)


def _latest_as_of(context: Context, entries: list[LedgerEntry]) -> date:
    """Latest session that a stage ran for or a decision was taken for."""
    last = context.lake.collect_query(queries.extent(OPS_STAGE_RUNS, "as_of"), OPS_STAGE_RUNS)["last"].item()
    known = [day for day in (last, *(entry.as_of for entry in entries)) if day is not None]
    return max(known) if known else context.calendar.last_cut(context.clock())
