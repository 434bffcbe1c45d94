"""Installing a champion in three steps, so that what the ledger says is what is served.

*Prepare*, which changes nothing that anyone reads; *commit*, under the writer's lock, in seconds; *follow*,
until the running service answers with it. A crash after the ledger's row is completed by `install`, which
needs nothing but the ledger; a crash before it leaves the former champion everywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, TransientError, UnavailableError
from pipelines.base.stage import FEATURE_TABLES
from pipelines.io.bento import BentoRepository, BuiltBento
from pipelines.io.running_service import recorded_service, wait_for_champion
from pipelines.registry.bento_contents import describe_champion, stage_champion
from pipelines.registry.binding import check_binding
from pipelines.registry.champion import Champion, champion_at, load_champion, point_alias
from pipelines.registry.forecast_params import ForecastParams
from pipelines.registry.installation_params import InstallParams
from pipelines.registry.issue import publish_issued, read_issued, score_sessions
from pipelines.registry.ledger import (
    LedgerEntry,
    append_entry,
    ledger_head,
    next_instant,
    read_ledger,
)
from pipelines.registry.parity import Checked, check_parity
from pipelines.registry.universe import completeness_at_cut
from pipelines.tables.contracts import GOLD_FORECASTS, select_tables
from pipelines.tables.scope import dates_condition
from serving.online.feast_store import FeastOnlineStore
from serving.online.params import FeatureStoreParams

log = logging.getLogger(__name__)

NOT_PUBLISHED = "nothing is published to the online store yet; run `bellwether materialize`, then this again"


class NothingPublished(UnavailableError):
    """No features are published yet, so that no service can answer, whatever its model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A champion that is ready to answer.

    Attributes
    ----------
    champion : Champion
    built : BuiltBento
    session : date or None
        The published session; None where nothing is published.
    checked : Checked or None
        How its answers for that session were compared with the batch scorer's.
    issued : polars.DataFrame
        What it has issued for that session or, if it is a sequence model, issues with the commit: rows of
        `gold.forecasts`.
    scored_from : mapping of table to Delta version
        Versions that were read where it was scored for that; empty where nothing is to be issued.
    """

    champion: Champion
    built: BuiltBento
    session: date | None
    checked: Checked | None
    issued: pl.DataFrame
    scored_from: Mapping[str, int | None]

    def describe(self) -> dict[str, Any]:
        """Return what a report says of it."""
        told: dict[str, Any] = {"bento": self.built.tag, "folder": str(self.built.folder)}
        if self.checked is None:
            return told
        return told | {
            "parity_session": self.checked.session,
            "parity_symbols": self.checked.parity.compared,
            "parity_largest_difference": self.checked.parity.largest,
            "compared_with": self.checked.compared_with,
        }


def prepare(context: Context, champion: Champion) -> Prepared:
    """Build a champion's Bento once its answers equal the batch scorer's; nobody is told of it yet.

    Where nothing is published no service can answer, and there is nothing to compare: then a Bento is built
    only in place of another one, so that a withdrawn model does not come back with the next publication.

    Raises
    ------
    SettingsError
        If its inputs are made otherwise than when it was trained.
    NothingPublished
        If nothing is published yet and no other champion stands in its place.
    TransientError
        If something was published while the answers were compared.
    BadDataError
        If they differ, or there is nothing to compare with.
    """
    check_binding(context, champion.entry.model_version, champion.lineage)
    store, repository = _open_online(context), BentoRepository(context.home.bento)
    before = store.published(), store.version()
    published = before[0]
    if published is None and repository.current() is None:
        raise NothingPublished(NOT_PUBLISHED)
    manifest = describe_champion(context, champion)
    scored_from = context.lake.versions(select_tables((FEATURE_TABLES,)))
    issued, is_new = (
        _issued_or_due(context, champion, published.session) if published else (pl.DataFrame(), False)
    )
    checked = None
    with stage_champion(champion, manifest) as staged:
        try:
            if published is not None:
                checked = check_parity(context, champion, staged, published.session, issued, is_new=is_new)
        except BadDataError as error:
            if (store.published(), store.version()) == before:
                raise
            msg = f"something was published while answers were compared; run this again ({error})"
            raise TransientError(msg) from error
        built = repository.build(manifest.bento, staged)
    return Prepared(
        champion=champion,
        built=built,
        session=published.session if published else None,
        checked=checked,
        issued=issued,
        scored_from=scored_from if is_new else {},
    )


def prepare_if_published(context: Context, champion: Champion) -> Prepared | None:
    """Prepare a champion; None where nothing is published, so that no service could answer with it yet."""
    try:
        return prepare(context, champion)
    except NothingPublished as error:
        log.warning("version %s is not installed yet: %s", champion.entry.model_version, error)
        return None


def _open_online(context: Context) -> FeastOnlineStore:
    return FeastOnlineStore(context.params(FeatureStoreParams), context.home.feast)


def _issued_or_due(context: Context, champion: Champion, session: date) -> tuple[pl.DataFrame, bool]:
    """Return what a champion has issued for a session; of a sequence model else what it issues now, and so.

    Nothing where the session's outcomes went into the model, or its universe was incomplete at the cut: the
    forecast stage issues nothing then.
    """
    issued = read_issued(context, champion, session).filter(~pl.col("in_sample"))
    if issued.height or champion.lineage.history_sessions == 1:
        return issued, False
    seen = context.calendar.cutoff_at(session) < champion.lineage.fitted_until
    if seen or not completeness_at_cut(context, session).is_complete:
        return issued, False
    scored = score_sessions(context, champion, [session], issued_at=context.clock())
    return context.lake.collect(scored), True


def commit(context: Context, entry: LedgerEntry, *, head: str, prepared: Prepared | None) -> LedgerEntry:
    """Write a decision that changes the champion, and what follows from it; return it as it stands.

    MLflow's alias follows later, with `install`: the decision does not wait for MLflow.

    Parameters
    ----------
    entry : LedgerEntry
        The decision. Written once: what stands in the ledger already is not written again.
    head : str
        `ledger_head` of the ledger that the decision rests on.
    prepared : Prepared or None
        Its champion; None where nothing is published, so that no service can answer yet.

    Raises
    ------
    TransientError
        If another decision, publication or build of features came between: judge anew.
    """
    with context.writing():
        entries = read_ledger(context.lake)
        standing = next((one for one in entries if one.entry_id == entry.entry_id), None)
        if standing is None:
            _check_unmoved(context, entries, head, prepared)
            standing = replace(entry, decided_at=next_instant(entries, context.clock()))
            append_entry(context.lake, standing)
        if prepared is not None:
            put_in_place(context, prepared)
    return standing


def _check_unmoved(
    context: Context, entries: list[LedgerEntry], head: str, prepared: Prepared | None
) -> None:
    if ledger_head(entries) != head:
        msg = "another decision about the champion was taken meanwhile; run this again, and it is judged anew"
        raise TransientError(msg)
    if prepared is None:
        return
    published = _open_online(context).published()
    if (published.session if published else None) != prepared.session:
        msg = f"another session than {prepared.session} was published meanwhile; run this again"
        raise TransientError(msg)
    tables = select_tables(tuple(prepared.scored_from))
    if context.lake.versions(tables) != dict(prepared.scored_from):
        msg = "features were built meanwhile that this model was just scored from; run this again"
        raise TransientError(msg)


def put_in_place(context: Context, prepared: Prepared) -> bool:
    """Point the service at the ledger's champion; return whether that changed anything.

    The caller holds the writer's lock. Another champion than the ledger's newest changes nothing.
    """
    champion, current = prepared.champion, champion_at(context, date.max)
    if current is None or current.model_key != champion.lineage.model_key:
        return False
    carried = None
    if champion.lineage.history_sessions > 1 and prepared.session is not None:
        # What was issued while this was prepared is what stands: a universe is ranked once.
        carried = read_issued(context, champion, prepared.session).filter(~pl.col("in_sample"))
        if carried.is_empty() and prepared.issued.height:
            now = pl.lit(context.clock(), GOLD_FORECASTS.schema["issued_at"])
            carried = prepared.issued.with_columns(now.alias("issued_at"))
            scope = dates_condition([prepared.session])
            context.lake.insert_absent(GOLD_FORECASTS, carried, scope=scope)
    return BentoRepository(context.home.bento).point_at(prepared.built, issued=carried, decision=current.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The ledger's champion, once alias and pointer follow it.

    Attributes
    ----------
    entry : LedgerEntry
    changed : bool
        Whether anything had to be brought in line.
    details : mapping
        What a report says of it.
    unfollowed : str
        Why the running service does not follow; empty where it does, or none is recorded.
    """

    entry: LedgerEntry
    changed: bool
    details: dict[str, Any]
    unfollowed: str = ""


def install(context: Context) -> Installed | None:
    """Make alias, pointer, running service and published forecasts follow the ledger.

    Returns
    -------
    Installed or None
        None where there is no champion.

    Raises
    ------
    NothingPublished
        If nothing is published yet.
    TransientError
        If another decision came between.
    UnavailableError
        If MLflow does not answer: the alias comes last, and all else follows by then.
    BadDataError, SettingsError
        See `prepare`.
    """
    with context.installing():
        entry = champion_at(context, date.max)
        if entry is None:
            return None
        try:
            return _install(context, entry)
        finally:
            point_alias(context)


def _install(context: Context, entry: LedgerEntry) -> Installed:
    head = ledger_head(read_ledger(context.lake))
    champion = load_champion(context, entry)
    repository = BentoRepository(context.home.bento)
    current, tag = repository.current(), describe_champion(context, champion).bento
    details: dict[str, Any] = {"bento": tag}
    if current is not None and current.tag == tag and repository.is_whole(current):
        check_binding(context, entry.model_version, champion.lineage)
        moved = False
    else:
        prepared = prepare(context, champion)
        details = prepared.describe()
        with context.writing():
            _check_unmoved(context, read_ledger(context.lake), head, prepared)
            moved = put_in_place(context, prepared)
    unfollowed, published = follow(context, champion)
    told = details | {"champion": entry.headline(), "published": published}
    if unfollowed:
        told |= {"why": unfollowed, "alerts": [unfollowed]}
    return Installed(entry=entry, changed=moved or published > 0, details=told, unfollowed=unfollowed)


def install_if_published(context: Context) -> Installed | None:
    """Install as `install` does; None where nothing is published, so that no service could answer yet."""
    try:
        return install(context)
    except NothingPublished as error:
        log.warning("the ledger's champion is not installed yet: %s", error)
        return None


def raise_if_unfollowed(installed: Installed | None) -> None:
    """End a command as transient where the running service does not follow.

    Raises
    ------
    TransientError
        Saying what it does, and what completes it.
    """
    if installed is not None and installed.unfollowed:
        raise TransientError(installed.unfollowed)


def follow(context: Context, champion: Champion) -> tuple[str, int]:
    """Wait until the recorded service answers as the pointer says, then publish what the champion has issued.

    In this order, because the online store holds one model's forecasts: as long as the former champion
    answers they are its own, and the new one brings its own along.

    Returns
    -------
    unfollowed : str
        Why the service does not follow; empty where it does, or none is recorded here.
    published : int
        Symbols whose forecast was put into the online store.
    """
    unfollowed = _ask_until_followed(context)
    published = _open_online(context).published()
    if unfollowed or published is None or not context.params(ForecastParams).publish:
        return unfollowed, 0
    with context.writing():
        current = champion_at(context, date.max)
        if current is None or current.model_key != champion.lineage.model_key:
            return "", 0
        return "", publish_issued(context, champion, published.session)


def _ask_until_followed(context: Context) -> str:
    pointer = BentoRepository(context.home.bento).current()
    address = recorded_service(context.home)
    if address is None or pointer is None:
        log.info("no stack of this home is recorded here; a service that starts later follows the pointer")
        return ""
    seconds = context.params(InstallParams).acknowledge_seconds
    told = wait_for_champion(address, asdict(pointer), seconds)
    if told is not None and told.get("pointer") == asdict(pointer):
        log.info("%s answers with %s", address, pointer.tag)
        return ""
    advice = "run `bellwether up` if it has ended, then `bellwether install`"
    if told is None:
        said = "does not answer"
    elif "pointer" not in told:
        said, advice = "is of a release that does not say what it serves", "run `bellwether down`, then `up`"
    else:
        said = f"answers with {told.get('bento') or 'no model'}"
    return (
        f"the ledger's champion is {pointer.tag}, and the forecast service at {address} {said} after "
        f"{seconds:g} s; see {context.home.logs / 'forecasts.log'}, {advice}"
    )
