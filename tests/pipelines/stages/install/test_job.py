"""A champion is packed once its served answers equal the batch scorer's, and not before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, UnavailableError
from pipelines.base.report import SessionRange
from pipelines.io.bento import BentoRepository
from pipelines.stages.install.job import run
from serving.pointer import POINTER_FILE
from serving.served_model import load_served_model, read_manifest
from tests.gold_tables import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT
from tests.pipelines.champions import HISTORY, NAMES, issue, make_champion
from tests.pipelines.synthetic_gold import Gold, append_rows, make_gold
from tests.serving.homes import DAILY, TEXT


@pytest.fixture(scope="module")
def gold() -> Gold:
    """Eight sessions of twelve symbols."""
    return make_gold(sessions=8)


@pytest.fixture(scope="module")
def context(
    open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory, gold: Gold
) -> Context:
    """A home with gold tables and nothing published."""
    opened = open_home(tmp_path_factory.mktemp("install"), "install.parity_symbols=10")
    append_rows(opened.lake, GOLD_FEATURES_DAILY, gold.daily)
    append_rows(opened.lake, GOLD_FEATURES_TEXT, gold.text)
    return opened


def test_the_story_of_four_champions(context: Context, gold: Gold) -> None:
    """One home from its first day on: each step starts where the one before ended."""
    first, second, third, fourth = gold.sessions[-4:]
    window = SessionRange(start=first, end=first)
    assert run(context, window).status == "nothing_to_do"

    key = make_champion(context, "1", first)
    with pytest.raises(
        UnavailableError, match="nothing is published to the online store yet; run `bellwether mat"
    ):
        run(context, window)

    run_stage(context, "materialize", window)
    report = run(context, window)
    repository = BentoRepository(context.home.bento)
    pointer = repository.current()
    assert pointer is not None
    assert (report.status, report.details["bento"]) == ("done", pointer.tag)
    assert pointer.tag.startswith(f"bellwether:v1-{key[:12]}-")
    assert report.details["compared_with"] == "gold.features_daily"
    assert report.details["parity_symbols"] == 10
    assert report.details["parity_largest_difference"] <= 1e-6
    champion = load_served_model(repository.folder / pointer.champion)
    assert (champion.manifest.model_key, champion.manifest.feature_names) == (key, NAMES)
    assert [(view.name, view.features) for view in champion.manifest.views] == [
        ("features_daily", DAILY), ("features_text", TEXT),
    ]  # fmt: skip
    assert run(context, window).status == "unchanged"
    for torn in (b"", b'{"tag": "bell', b"\xff\xfe", b"null"):
        (repository.folder / POINTER_FILE).write_bytes(torn)
        assert (run(context, window).status, repository.current()) == ("done", pointer)

    issue(context, make_champion(context, "2", second), gold, second)
    run_stage(context, "materialize", SessionRange(start=second, end=second))
    report = run(context, SessionRange(start=second, end=second))
    assert (report.status, report.details["compared_with"]) == ("done", "gold.forecasts")
    kept = repository.current()
    assert kept is not None
    assert kept.model_version == "2"

    issue(context, make_champion(context, "3", third), gold, third, wrong_by=0.25)
    run_stage(context, "materialize", SessionRange(start=third, end=third))
    with pytest.raises(
        BadDataError, match=r"1 of 10 served answers .* \(largest 0\.25\); the former champion stays"
    ):
        run(context, SessionRange(start=third, end=third))
    assert repository.current() == kept

    make_champion(context, "4", fourth, history_sessions=HISTORY, family="tft")
    run_stage(context, "materialize", SessionRange(start=fourth, end=fourth))
    with pytest.raises(
        BadDataError, match=f"version 4 has no batch forecasts for {fourth} to be compared with; see why"
    ):
        run(context, SessionRange(start=fourth, end=fourth))
    assert read_manifest(repository.folder / kept.champion).model_version == "2"
