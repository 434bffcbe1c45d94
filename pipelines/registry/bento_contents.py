"""What goes into a champion's Bento: its manifest, and the forecaster's own files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from features.params import CalendarParams
from features.views import find_view, names_by_view
from pipelines.base.context import Context
from pipelines.io.bento import bento_tag, release
from pipelines.io.model_folder import forecaster_folder
from pipelines.registry.champion import Champion
from serving.online.params import FeatureStoreParams
from serving.online.store import ViewFeatures
from serving.params import ServingParams
from serving.served_model import FORECASTER_FOLDER, Manifest, write_manifest
from serving.settings import ServiceDefaults


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
        views=tuple(
            ViewFeatures(name=view, features=tuple(names), required=find_view(view).is_required)
            for view, names in by_view.items()
        ),
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
