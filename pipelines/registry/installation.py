"""Installing a champion in three steps, so that what the ledger says is what is served.

*Prepare*, which changes nothing that anyone reads; *commit*, under the writer's lock, in seconds; *follow*,
until the running service answers with it. A crash after the ledger's row is completed by `install`, which
needs nothing but the ledger; a crash before it leaves the former champion everywhere.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, TransientError, UnavailableError
from pipelines.io.bento import BentoRepository, BuiltBento
from pipelines.io.running_service import recorded_service, wait_for_champion
from pipelines.registry.bento_contents import describe_champion, stage_champion
from pipelines.registry.champion import Champion, champion_at, load_champion, point_alias
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
from pipelines.tables.contracts import GOLD_FORECASTS
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
    checked : Checked
        How its answers were compared with the batch scorer's.
    session : date
        The published session.
    issued : polars.DataFrame
        What it has issued for that session or, if it is a sequence model, issues with the commit: rows of
        `gold.forecasts`.
    """

    champion: Champion
    built: BuiltBento
    checked: Checked
    session: date
    issued: pl.DataFrame

    def describe(self) -> dict[str, Any]:
        """Return what a report says of it."""
        return {
            "bento": self.built.tag,
            "folder": str(self.built.folder),
            "parity_session": self.checked.session,
            "parity_symbols": self.checked.parity.compared,
            "parity_largest_difference": self.checked.parity.largest,
            "compared_with": self.checked.compared_with,
        }


def prepare(context: Context, champion: Champion) -> Prepared:
    """Build a champion's Bento once its answers equal the batch scorer's; nobody is told of it yet.

    Raises
    ------
    NothingPublished
        If nothing is published yet.
    TransientError
        If something was published while the answers were compared.
    BadDataError
        If they differ, or there is nothing to compare with.
    """
    store = FeastOnlineStore(context.params(FeatureStoreParams), context.home.feast)
    before = store.published(), store.version()
    published = before[0]
    if published is None:
        raise NothingPublished(NOT_PUBLISHED)
    issued = _issued_or_due(context, champion, published.session)
    manifest = describe_champion(context, champion)
    with stage_champion(champion, manifest) as staged:
        try:
            checked = check_parity(context, champion, staged, published.session, issued)
        except BadDataError as error:
            if (store.published(), store.version()) == before:
                raise
            msg = f"something was published while answers were compared; run this again ({error})"
            raise TransientError(msg) from error
        built = BentoRepository(context.home.bento).build(manifest.bento, staged)
    return Prepared(champion=champion, built=built, checked=checked, session=published.session, issued=issued)


def prepare_if_published(context: Context, champion: Champion) -> Prepared | None:
    """Prepare a champion; None where nothing is published, so that no service could answer with it yet."""
    try:
        return prepare(context, champion)
    except NothingPublished as error:
        log.warning("version %s is not installed yet: %s", champion.entry.model_version, error)
        return None


def _issued_or_due(context: Context, champion: Champion, session: date) -> pl.DataFrame:
    """Return what a champion has issued for a session; of a sequence model else what it issues now.

    Nothing where the session's outcomes went into the model, or its universe was incomplete at the cut: the
    forecast stage issues nothing then.
    """
    issued = read_issued(context, champion, session).filter(~pl.col("in_sample"))
    if issued.height or champion.lineage.history_sessions == 1:
        return issued
    seen = context.calendar.cutoff_at(session) < champion.lineage.fitted_until
    if seen or not completeness_at_cut(context, session).is_complete:
        return issued
    scored = score_sessions(context, champion, [session], issued_at=context.clock())
    return scored if isinstance(scored, pl.DataFrame) else context.lake.collect(scored)


def commit(context: Context, entry: LedgerEntry, *, head: str, prepared: Prepared | None) -> LedgerEntry:
    """Write a decision that changes the champion, and what follows from it; return it as it stands.

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
        If another decision or publication came between: judge anew.
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
        point_alias(context)
    return standing


def _check_unmoved(
    context: Context, entries: list[LedgerEntry], head: str, prepared: Prepared | None
) -> None:
    if ledger_head(entries) != head:
        msg = "another decision about the champion was taken meanwhile; run this again, and it is judged anew"
        raise TransientError(msg)
    if prepared is None:
        return
    store = FeastOnlineStore(context.params(FeatureStoreParams), context.home.feast)
    published = store.published()
    if published is None or published.session != prepared.session:
        msg = f"another session than {prepared.session} was published meanwhile; run this again"
        raise TransientError(msg)


def put_in_place(context: Context, prepared: Prepared) -> bool:
    """Point the service at the ledger's champion; return whether that changed anything.

    The caller holds the writer's lock. Another champion than the ledger's newest changes nothing.
    """
    champion, current = prepared.champion, champion_at(context, date.max)
    if current is None or current.model_key != champion.lineage.model_key:
        return False
    carried = None
    if champion.lineage.history_sessions > 1:
        carried = prepared.issued.with_columns(
            pl.lit(context.clock(), GOLD_FORECASTS.schema["issued_at"]).alias("issued_at")
        )
        if carried.height:
            scope = dates_condition([prepared.session])
            context.lake.insert_absent(GOLD_FORECASTS, carried, scope=scope)
    return BentoRepository(context.home.bento).point_at(prepared.built, issued=carried, decision=current.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The ledger's champion, once everything follows it.

    Attributes
    ----------
    entry : LedgerEntry
    changed : bool
        Whether anything had to be brought in line.
    details : mapping
        What a report says of it.
    """

    entry: LedgerEntry
    changed: bool
    details: dict[str, Any]


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
        If the recorded service does not answer with the champion in time, or another decision came between.
    BadDataError
        See `prepare`.
    """
    head = ledger_head(read_ledger(context.lake))
    entry = champion_at(context, date.max)
    if entry is None:
        return None
    point_alias(context)
    champion = load_champion(context, entry)
    repository = BentoRepository(context.home.bento)
    current, tag = repository.current(), describe_champion(context, champion).bento
    details: dict[str, Any] = {"bento": tag}
    if current is not None and current.tag == tag and repository.is_whole(current):
        moved = False
    else:
        prepared = prepare(context, champion)
        details = prepared.describe()
        with context.writing():
            _check_unmoved(context, read_ledger(context.lake), head, prepared)
            moved = put_in_place(context, prepared)
    followed = follow(context, champion)
    return Installed(
        entry=entry,
        changed=moved or followed["published"] > 0,
        details={"champion": entry.headline(), **details, **followed},
    )


def install_if_published(context: Context) -> Installed | None:
    """Install as `install` does; None where nothing is published, so that no service could answer yet."""
    try:
        return install(context)
    except NothingPublished as error:
        log.warning("the ledger's champion is not installed yet: %s", error)
        return None


def follow(context: Context, champion: Champion) -> dict[str, Any]:
    """Wait until the recorded service answers as the pointer says, then publish what the champion has issued.

    In this order, because the online store holds one model's forecasts: as long as the former champion
    answers they are its own, and the new one brings its own along.

    Returns
    -------
    dict
        `service` (who answered, or that no stack is recorded) and `published` (symbols that changed).

    Raises
    ------
    TransientError
        If the service does not answer with the champion within ``install.acknowledge_seconds``.
    """
    acknowledged = _acknowledge(context)
    store = FeastOnlineStore(context.params(FeatureStoreParams), context.home.feast)
    published = store.published()
    changed = 0
    if published is not None:
        with context.writing():
            current = champion_at(context, date.max)
            if current is not None and current.model_key == champion.lineage.model_key:
                changed = publish_issued(context, champion, published.session)
    return {"service": acknowledged, "published": changed}


def _acknowledge(context: Context) -> str:
    pointer = BentoRepository(context.home.bento).current()
    address = recorded_service(context.home)
    if address is None:
        return "no stack of this home is recorded; a service started later follows the pointer"
    if pointer is None:
        return "nothing to answer with yet"
    seconds = context.params(InstallParams).acknowledge_seconds
    told = wait_for_champion(address, asdict(pointer), seconds)
    if (told or {}).get("pointer") == asdict(pointer):
        return f"{address} answers with {pointer.tag}"
    said = "does not answer" if told is None else f"answers with {told.get('bento') or 'no model'}"
    msg = (
        f"the ledger's champion is {pointer.tag}, and the forecast service at {address} {said} after "
        f"{seconds:g} s; see {context.home.logs / 'forecasts.log'}, run `bellwether up` if it has ended, "
        "then `bellwether install`"
    )
    raise TransientError(msg)
