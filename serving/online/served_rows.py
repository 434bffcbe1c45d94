"""The online store as the forecast service asks it: all views of a few symbols in one call."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from feature_repo.definitions import DAILY_VIEW, ISSUED_VIEW, TEXT_VIEW
from pipelines.base.home import Home
from serving.online.feast_store import OnlineReader
from serving.online.params import FeatureStoreParams
from serving.online.store import OnlineRows, Published


class ServedRows:
    """Joins the views of the online store for `serving`; see `serving.online.store.OnlineReader`."""

    def __init__(self, reader: OnlineReader) -> None:
        self._reader = reader

    def read(self, symbols: Sequence[str]) -> OnlineRows:
        """Return the rows of the symbols that the store knows: one batched lookup a view."""
        return OnlineRows(
            daily=self._reader.read(DAILY_VIEW, symbols),
            text=self._reader.read(TEXT_VIEW, symbols),
            issued=self._reader.read(ISSUED_VIEW, symbols),
        )

    def published(self) -> Published | None:
        """Return what the newest publication was about, None before the first."""
        return self._reader.published()

    def version(self) -> Hashable | None:
        """Return something that differs after every publication; None where the store cannot tell."""
        return self._reader.version()


def open_served_rows(params: FeatureStoreParams, home: Home) -> ServedRows:
    """Return the home's online store, which need not exist yet."""
    return ServedRows(OnlineReader(params, home.feast))
