"""One home holds one market: the source that it was begun with."""

from __future__ import annotations

from pipelines.base.context import Context
from pipelines.base.errors import SettingsError
from pipelines.io.sources import Source, build_source
from pipelines.io.sources.params import SourceParams
from pipelines.tables.contracts import BRONZE_BARS


def open_source(context: Context) -> Source:
    """Return the configured source.

    Raises
    ------
    SettingsError
        If the home holds bars of another one: symbols, calendars and adjustments of two feeds would mix.
    """
    source = build_source(context.params(SourceParams))
    landed = context.lake.collect_query(f"select source from {BRONZE_BARS.alias} limit 1", BRONZE_BARS)
    if landed.height and landed.item() != source.name:
        msg = (
            f"source.name={source.name!r}, but {context.home.root} holds bars of {landed.item()!r}; one home "
            f"holds one market: give --home another folder, or the source that this one was begun with"
        )
        raise SettingsError(msg)
    return source
