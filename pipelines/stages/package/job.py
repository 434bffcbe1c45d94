"""Build the champion's Bento and point the service at it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.io.bento import BentoShelf, BuiltBento, bento_tag
from pipelines.io.model_folder import forecaster_folder
from pipelines.registry.champion import Champion, champion_at, load_champion
from pipelines.stages.package.contract import READS
from pipelines.stages.package.parity import Checked, check_parity
from serving.served_model import FORECASTER_FOLDER, Manifest, write_manifest


def run(context: Context, window: SessionRange) -> StageReport:
    """Package the champion of the as-of, unless its Bento is the current one already."""
    entry = champion_at(context, window.end)
    if entry is None:
        why = f"no champion as of {window.end}: run train, evaluate and promote first"
        return StageReport(stage="package", status="nothing_to_do", details={"why": why})
    tag, shelf = bento_tag(entry.model_version, entry.model_key), BentoShelf(context.home.bento)
    current = shelf.current()
    if current is not None and current.tag == tag and shelf.find(tag) is not None:
        return StageReport(
            stage="package", status="nothing_to_do", details={"why": f"{tag} is current already"}
        )
    inputs = standing(context.lake.versions(READS))
    champion = load_champion(context, entry)
    with stage_champion(champion, tag) as staged:
        checked = check_parity(context, champion, staged)
        built = shelf.build(tag, staged)
    shelf.point_at(built)
    return _report(champion, checked, built, inputs)


@contextmanager
def stage_champion(champion: Champion, tag: str) -> Iterator[Path]:
    """Lay out the folder that goes into the Bento: manifest and forecaster."""
    ancestry = champion.ancestry
    manifest = Manifest(
        bento=tag,
        model_version=champion.entry.model_version,
        model_key=ancestry.model_key,
        family=ancestry.family,
        horizon=ancestry.horizon,
        history_sessions=ancestry.history_sessions,
        feature_names=ancestry.feature_names,
        feature_service=ancestry.feature_service,
    )
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
