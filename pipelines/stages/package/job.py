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
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.io.bento import BentoRepository, BuiltBento, bento_tag, release
from pipelines.io.model_folder import forecaster_folder
from pipelines.registry.champion import Champion, champion_at, load_champion
from pipelines.stages.package.contract import READS
from pipelines.stages.package.parity import Checked, check_parity
from serving.online.params import FeatureStoreParams
from serving.online.store import ViewFeatures
from serving.params import ServingParams
from serving.served_model import FORECASTER_FOLDER, Manifest, write_manifest
from serving.settings import ServiceDefaults


def run(context: Context, window: SessionRange) -> StageReport:
    """Package the champion of the as-of, unless its Bento is the current one already."""
    entry = champion_at(context, window.end)
    if entry is None:
        why = f"no champion as of {window.end}: run train, evaluate and promote first"
        return StageReport(stage="package", status="nothing_to_do", details={"why": why})
    champion = load_champion(context, entry)
    manifest = describe_champion(context, champion)
    repository = BentoRepository(context.home.bento)
    current = repository.current()
    if current is not None and current.tag == manifest.bento and repository.find(current.tag) is not None:
        return StageReport(
            stage="package", status="nothing_to_do", details={"why": f"{current.tag} is current already"}
        )
    inputs = standing(context.lake.versions(READS))
    with stage_champion(champion, manifest) as staged:
        checked = check_parity(context, champion, staged)
        built = repository.build(manifest.bento, staged)
    repository.point_at(built)
    return _report(champion, checked, built, inputs)


def describe_champion(context: Context, champion: Champion) -> Manifest:
    """Return what the service needs to know of a champion, and the settings it starts with by default."""
    ancestry, calendar = champion.ancestry, context.params(CalendarParams)
    defaults = ServiceDefaults(
        serving=context.params(ServingParams),
        calendar_name=calendar.name,
        decision_lead_minutes=calendar.decision_lead_minutes,
        feature_store=context.params(FeatureStoreParams),
    )
    by_view = names_by_view(ancestry.feature_names)
    manifest = Manifest(
        bento="",
        release=release(),
        model_version=champion.entry.model_version,
        model_key=ancestry.model_key,
        family=ancestry.family,
        horizon=ancestry.horizon,
        history_sessions=ancestry.history_sessions,
        feature_set=ancestry.feature_service,
        feature_names=ancestry.feature_names,
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


def _report(champion: Champion, checked: Checked, built: BuiltBento, inputs: dict[str, int]) -> StageReport:
    return StageReport(
        stage="package",
        rows_in=checked.parity.compared,
        rows_out=1,
        sessions_touched=1,
        inputs=inputs,
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
