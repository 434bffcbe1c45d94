"""Where a champion is written down: ledger, alias, pointer and the running service, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pipelines.base.context import Context
from pipelines.base.errors import UnavailableError
from pipelines.io.bento import BentoRepository
from pipelines.io.running_service import ask_champion, ask_readiness, recorded_service
from pipelines.registry.champion import champion_at, tracking_of
from pipelines.registry.ledger import LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The version that each place names; None where it names none.

    Attributes
    ----------
    ledger : str or None
        What was decided: the others have to follow.
    alias, pointer : str or None
        MLflow's alias and the pointer to the current Bento.
    service : str or None
        What the recorded service says of itself.
    address : str or None
        Where it answers; None where no stack is recorded.
    why_not_ready : str or None
        Why that service answers no forecast, whichever champion it has.
    differences : tuple of str
        Which places do not follow; empty where all do.
    """

    ledger: str | None
    alias: str | None
    pointer: str | None
    service: str | None
    address: str | None
    why_not_ready: str | None
    differences: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"differences": list(self.differences)}


def compare_places(context: Context) -> Places:
    """Ask all four places; a home in which nothing was tracked is not given a database for it."""
    entry = champion_at(context, date.max)
    repository = BentoRepository(context.home.bento)
    pointer = repository.current()
    address = recorded_service(context.home)
    told = ask_champion(address) if address else None
    alias: str | None = None
    differences: list[str] = []
    if entry is not None:
        alias, differences = _ask_alias(context, entry)
        if pointer is None or pointer.model_key != entry.model_key:
            named = f"names version {pointer.model_version}" if pointer else "is not there yet"
            differences.append(f"the pointer to the Bento {named}")
        elif not repository.is_whole(pointer):
            differences.append(f"{pointer.tag}, which the pointer names, is not whole")
        if address:
            differences += _compare_service(address, told, entry)
    return Places(
        ledger=entry.model_version if entry else None,
        alias=alias,
        pointer=pointer.model_version if pointer else None,
        service=(told or {}).get("model_version"),
        address=address,
        why_not_ready=ask_readiness(address) if address else None,
        differences=tuple(differences),
    )


def _ask_alias(context: Context, entry: LedgerEntry) -> tuple[str | None, list[str]]:
    tracking = tracking_of(context)
    try:
        alias = tracking.champion() if tracking.exists() else None
    except UnavailableError as error:
        return None, [str(error)]
    return alias, [] if alias == entry.model_version else [f"MLflow's alias names version {alias}"]


def _compare_service(address: str, told: Mapping[str, Any] | None, entry: LedgerEntry) -> list[str]:
    if told is None:
        return [f"the forecast service at {address} does not answer"]
    found = []
    if told.get("model_key") != entry.model_key:
        found.append(f"the forecast service answers with version {told.get('model_version')}")
    if told.get("why_not_following"):
        found.append(str(told["why_not_following"]))
    return found
