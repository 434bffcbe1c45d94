"""Which feeds a home reads: one primary feed of each kind of record, and any number beside them."""

from __future__ import annotations

from dataclasses import dataclass

from features.sessions import resolve_alias
from pipelines.base.context import Context
from pipelines.base.errors import SettingsError
from pipelines.io.sources import Provision, Source, build_source
from pipelines.io.sources.params import KINDS, PriceBasis, SourcesParams
from pipelines.tables import landing_queries, queries
from pipelines.tables.contracts import BRONZE_BARS


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One source's stream of one kind of record.

    Attributes
    ----------
    source : Source
    kind : str
    provision : Provision
        What the source declares of this kind.
    primary : bool
        Whether features are made of it.
    required : bool
        Whether a session without it is incomplete.
    """

    source: Source
    kind: str
    provision: Provision
    primary: bool
    required: bool


def open_feeds(context: Context) -> tuple[Feed, ...]:
    """Return the feeds that the settings name: primary bars, actions and texts, then those beside.

    A source that is named for a kind which it does not provide delivers nothing of it.

    Raises
    ------
    SettingsError
        If the primary bars are of a source none of whose bars the home holds, while it holds another's:
        symbols and adjustments of two feeds would mix. If a feed, beside or not, has another calendar than
        the home: its sessions would be taken for days on which nothing is traded, or be missed.
    """
    params = context.params(SourcesParams)
    primary = [(kind, name) for kind in KINDS if (name := params.source_of(kind))]
    sources = {
        name: build_source(name, params.sources[name], context.lake)
        for name in dict.fromkeys([*(name for _, name in primary), *params.feeds.beside])
    }
    beside = [(kind, name) for name in params.feeds.beside for kind in sources[name].provides]
    check_primary_bars(context)
    for kind, name in dict.fromkeys([*primary, *beside]):
        if kind in sources[name].provides:
            check_calendar(context, name, sources[name].provides[kind].calendar)
    return tuple(
        Feed(
            source=sources[name],
            kind=kind,
            provision=sources[name].provides[kind],
            primary=(kind, name) in primary,
            required=(kind, name) in primary and kind in params.feeds.required,
        )
        for kind, name in dict.fromkeys([*primary, *beside])
        if kind in sources[name].provides
    )


def check_primary_bars(context: Context) -> None:
    """Stop where the settings name a source of bars that the home knows nothing of, while it knows another's.

    Raises
    ------
    SettingsError
        See `open_feeds`.
    """
    params = context.params(SourcesParams)
    name = params.feeds.bars
    check_calendar(context, name, params.sources[name].calendar)
    own = queries.limited(queries.rows_of(BRONZE_BARS, ["source"], landing_queries.of_source(name)), 1)
    if not context.lake.exists(BRONZE_BARS) or context.lake.collect_query(own, BRONZE_BARS).height:
        return
    landed = context.lake.collect_query(queries.distinct_values(BRONZE_BARS, "source"), BRONZE_BARS)
    if landed.height:
        names = ", ".join(landed["source"].sort())
        msg = (
            f"feeds.bars={name!r}, but {context.home.root} holds bars of {names} alone; give "
            f"--home another folder, name the source that this one was begun with, or let {name!r} land "
            f"first: name it in feeds.beside"
        )
        raise SettingsError(msg)


def check_calendar(context: Context, source: str, calendar: str) -> None:
    """Stop where a source's calendar is not the home's; two names of one calendar agree.

    Raises
    ------
    SettingsError
        Naming both and the settings to change.
    """
    home = context.calendar.name
    if calendar != home and resolve_alias(calendar) != resolve_alias(home):
        msg = (
            f"calendar.name={home!r}, but sources.{source}.calendar={calendar!r}: a home reads feeds of its "
            f"own calendar alone; set calendar.name={calendar} in a home of its own, or "
            f"sources.{source}.calendar={home} if that is what its sessions follow"
        )
        raise SettingsError(msg)


def primary_feed(context: Context, kind: str) -> Feed | None:
    """Return the feed of a kind of record that features are made of, None where there is none.

    Raises
    ------
    SettingsError
        As `open_feeds`.
    """
    return next((feed for feed in open_feeds(context) if feed.primary and feed.kind == kind), None)


def price_basis_of(context: Context) -> PriceBasis:
    """Return what has been done to the prices of the primary bars.

    Raises
    ------
    SettingsError
        As `open_feeds`, and if their source says of no price basis.
    """
    feed = primary_feed(context, "bars")
    basis = feed.provision.price_basis if feed else None
    if basis is None:
        msg = "feeds.bars names a source without a price basis; it must be raw, split or total_return"
        raise SettingsError(msg)
    return basis
