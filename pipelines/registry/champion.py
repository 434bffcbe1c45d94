"""The champion: who it is at an as-of, and how to go back to an earlier one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, UnavailableError
from pipelines.io.tracking import ModelVersion, Tracking, open_tracking
from pipelines.io.tracking_params import TrackingParams
from pipelines.registry.ledger import (
    LedgerEntry,
    append_entry,
    identify_decision,
    next_instant,
    read_ledger,
    select_champion,
)
from pipelines.registry.lineage import Lineage, read_lineage
from pipelines.registry.trained_models import find_trained, record_trained, recorded_keys
from pipelines.tables import queries
from pipelines.tables.contracts import OPS_STAGE_RUNS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The model that speaks from an as-of on, ready to be loaded.

    Attributes
    ----------
    entry : LedgerEntry
        The decision that installed it; `entry.lost` names the comparisons it lost.
    lineage : Lineage
        What it was made from.
    folder : Path
        Local model folder for `read_forecaster`.
    """

    entry: LedgerEntry
    lineage: Lineage
    folder: Path


def tracking_of(context: Context) -> Tracking:
    """Return the home's MLflow."""
    return open_tracking(context.params(TrackingParams), context.home.mlflow)


def champion_at(context: Context, as_of: date) -> LedgerEntry | None:
    """Return the decision that made the champion of an as-of session, None before the first."""
    return select_champion(read_ledger(context.lake), as_of)


def load_champion(context: Context, entry: LedgerEntry) -> Champion:
    """Fetch a champion's folder (once a home) and its lineage; see `load_model`."""
    lineage, folder = load_model(context, entry.model_version, entry.model_key)
    return Champion(entry=entry, lineage=lineage, folder=folder)


def load_model(context: Context, version: str, model_key: str) -> tuple[Lineage, Path]:
    """Return the lineage and the local folder of a model.

    Both are as training recorded them in the lake; of models that a release before that record has trained,
    as the folder has them.

    Raises
    ------
    BadDataError
        If the files are not those that training recorded, or there is no lineage to be read.
    """
    trained = find_trained(context.lake, model_key)
    digests = trained.digests if trained else None
    folder = tracking_of(context).model_folder(version, model_key, digests=digests)
    return (trained.lineage if trained else read_lineage(folder)), folder


def adopt_former(context: Context) -> None:
    """Record the champions that releases before the record have trained, as the home has them now.

    From here on their files are held against that record like any other's.
    """
    recorded = recorded_keys(context.lake)
    former = {
        (entry.model_version, entry.model_key)
        for entry in read_ledger(context.lake)
        if entry.installs and entry.model_key not in recorded
    }
    for version, model_key in sorted(former):
        try:
            lineage, folder = load_model(context, version, model_key)
        except (BadDataError, UnavailableError) as error:
            log.warning("former champion %s is left without a record: %s", version, error)
            continue
        if lineage.model_key == model_key:
            record_trained(context.lake, lineage, folder)


def point_alias(context: Context) -> str | None:
    """Point MLflow's alias at the ledger's newest champion; return its version, None without any.

    The ledger decides and the alias follows, so a crash between the two is mended by the next call.
    """
    current = champion_at(context, date.max)
    if current is None:
        return None
    tracking = tracking_of(context)
    tracking.describe_version(current.model_version, f"Champion: {current.headline()}. {current.why}")
    tracking.set_champion(current.model_version)
    return current.model_version


def roll_back(
    context: Context, *, version: str, why: str, as_of: date | None = None, who: str | None = None
) -> LedgerEntry:
    """Make an earlier version the champion again.

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
        The decision that now holds. Repeating a rollback mends the alias and writes nothing.

    Raises
    ------
    BadDataError
        If no reason is given, the version is unknown or its files are not those that training recorded, or a
        later decision would override this one.
    """
    if not why.strip():
        msg = "why='' must say why the champion changes; the ledger is read by auditors"
        raise BadDataError(msg)
    target = tracking_of(context).version(version)
    entries = read_ledger(context.lake)
    _check_ours(context, target, entries)
    since = as_of or _latest_as_of(context, entries)
    current = select_champion(entries, since)
    _check_not_overridden(entries, since)
    if current is None or current.model_version != version:
        current = LedgerEntry(
            entry_id=identify_decision("rollback", since, target.model_key, current=current, why=why),
            kind="rollback",
            as_of=since,
            model_key=target.model_key,
            model_version=target.version,
            previous_version=current.model_version if current else "",
            who=who or context.params(TrackingParams).signed_by,
            why=why,
            numbers={},
            decided_at=next_instant(entries, context.clock()),
        )
        append_entry(context.lake, current)
        log.warning("rolled back to %s: %s", current.headline(), why)
    point_alias(context)
    return current


def _check_ours(context: Context, target: ModelVersion, entries: list[LedgerEntry]) -> None:
    """Refuse a version that training did not record and that never was champion, or whose files differ."""
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
    load_model(context, target.version, target.model_key)


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
