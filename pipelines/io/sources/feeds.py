"""Which source delivers a kind of record; one home holds the bars of one: the one that it was begun with."""

from __future__ import annotations

from pipelines.base.context import Context
from pipelines.base.errors import SettingsError
from pipelines.io.sources import Source, build_source
from pipelines.io.sources.params import PriceBasis, SourcesParams
from pipelines.tables import queries
from pipelines.tables.contracts import BRONZE_BARS


def open_source(context: Context, kind: str) -> Source | None:
    """Return the source that the settings name for a kind of record.

    Parameters
    ----------
    kind : {"bars", "texts"}

    Returns
    -------
    Source or None
        None where the settings name none, or one that does not provide this kind.

    Raises
    ------
    SettingsError
        If the home holds bars of another one: symbols, calendars and adjustments of two feeds would mix.
    """
    params = context.params(SourcesParams)
    name = params.source_of(kind)
    if name is None:
        return None
    if kind == "bars":
        first = queries.limited(queries.rows_of(BRONZE_BARS, ["source"], "true"), 1)
        landed = context.lake.collect_query(first, BRONZE_BARS)
        if landed.height and landed.item() != name:
            msg = (
                f"feeds.bars={name!r}, but {context.home.root} holds bars of {landed.item()!r}; one home "
                f"holds one market: give --home another folder, or the source that this one was begun with"
            )
            raise SettingsError(msg)
    source = build_source(name, params.sources[name], context.lake)
    return source if kind in source.provides else None


def price_basis_of(context: Context) -> PriceBasis:
    """Return what has been done to the prices of the bars' source.

    Raises
    ------
    SettingsError
        As `open_source`, and if it says of no price basis.
    """
    source = open_source(context, "bars")
    basis = source.provides["bars"].price_basis if source else None
    if basis is None:
        msg = "feeds.bars names a source without a price basis; it must be raw, split or total_return"
        raise SettingsError(msg)
    return basis
