"""Build the champion's Bento and point the service at it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from features.params import CalendarParams
from features.views import names_by_view
from pipelines.base.context import Context
from pipelines.base.report import Outcome, SessionRange, nothing_to_do
from pipelines.io.bento import BentoRepository, bento_tag, release
from pipelines.io.model_folder import forecaster_folder
from pipelines.registry.champion import Champion, champion_at, load_champion
from pipelines.stages.package.parity import check_parity
from serving.online.params import FeatureStoreParams
from serving.online.store import ViewFeatures
from serving.params import ServingParams
from serving.served_model import FORECASTER_FOLDER, Manifest, write_manifest
from serving.settings import ServiceDefaults


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Package the champion of the as-of, unless its Bento is the current one already."""
    entry = champion_at(context, sessions.end)
    if entry is None:
        return nothing_to_do(f"no champion as of {sessions.end}: run train, evaluate and promote first")
    champion = load_champion(context, entry)
    manifest = describe_champion(context, champion)
    repository = BentoRepository(context.home.bento)
    current = repository.current()
    if current is not None and current.tag == manifest.bento and repository.is_whole(current):
        return Outcome(status="unchanged", details={"why": f"{current.tag} is current already"})
    with stage_champion(champion, manifest) as staged:
        checked = check_parity(context, champion, staged)
        built = repository.build(manifest.bento, staged)
    repository.point_at(built)
    return Outcome(
        rows_in=checked.parity.compared,
        rows_out=1,
        sessions_touched=1,
        details={
            "bento": built.tag,
            "folder": str(built.folder),
            "champion": champion.entry.headline(),
            "parity_session": checked.session,
            "parity_symbols": checked.parity.compared,
            "parity_largest_difference": checked.parity.largest,
            "compared_with": checked.compared_with,
        },
    )


def describe_champion(context: Context, champion: Champion) -> Manifest:
    """Return what the service needs to know of a champion, and the settings it starts with by default."""
    lineage, calendar = champion.lineage, context.params(CalendarParams)
    defaults = ServiceDefaults(
        serving=context.params(ServingParams),
        calendar_name=calendar.name,
        decision_lead_minutes=calendar.decision_lead_minutes,
        cutoff_local=calendar.cutoff_local,
        issue_minutes=calendar.issue_minutes,
        feature_store=context.params(FeatureStoreParams),
    )
    by_view = names_by_view(lineage.feature_names)
    manifest = Manifest(
        bento="",
        release=release(),
        model_version=champion.entry.model_version,
        model_key=lineage.model_key,
        family=lineage.family,
        horizon=lineage.horizon_sessions,
        history_sessions=lineage.history_sessions,
        feature_set=lineage.feature_set,
        feature_names=lineage.feature_names,
        views=tuple(ViewFeatures(name=view, features=tuple(names)) for view, names in by_view.items()),
        settings=defaults.without_secrets(),
    )
    return replace(manifest, bento=bento_tag(manifest))


@contextmanager
def stage_champion(champion: Champion, manifest: Manifest) -> Iterator[Path]:
    """Lay out the folder that goes into the Bento: manifest and forecaster."""
    with tempfile.TemporaryDirectory(prefix="bellwether-champion-") as scratch:
        folder = Path(scratch)
        shutil.copytree(forecaster_folder(champion.folder), folder / FORECASTER_FOLDER)
        write_manifest(folder, manifest)
        yield folder
