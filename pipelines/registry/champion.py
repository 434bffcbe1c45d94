"""The champion: who it is at an as-of, and the files that it consists of."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, UnavailableError
from pipelines.io.tracking import Tracking, open_tracking
from pipelines.io.tracking_params import TrackingParams
from pipelines.registry.ledger import LedgerEntry, read_ledger, select_champion
from pipelines.registry.lineage import Lineage, read_lineage
from pipelines.registry.trained_models import find_trained, record_trained, recorded_keys

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
            with context.writing():
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


def find_lineage(context: Context, version: str | None) -> tuple[str, Lineage]:
    """Return a registered version and its lineage; the newest champion's where none is named.

    Raises
    ------
    BadDataError
        If there is no champion, or training has not registered the version.
    """
    current = champion_at(context, date.max)
    if version is None:
        if current is None:
            msg = "there is no champion yet; train and promote one, or name a --version"
            raise BadDataError(msg)
        return current.model_version, load_model(context, current.model_version, current.model_key)[0]
    found = tracking_of(context).version(version)
    return version, load_model(context, version, found.model_key)[0]
