"""A promotion becomes the answering model between two looks; a damaged one changes nothing."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from serving.champion_watch import ChampionWatch
from serving.pointer import POINTER_FILE
from tests.serving.parts import manifest_of, point_at, write_champion


@pytest.fixture
def store(tmp_path: Path, champion_folder: Path) -> Path:
    """A Bento store with one champion, not pointed at."""
    shutil.copytree(champion_folder, tmp_path / "one")
    return tmp_path


def test_the_pointer_decides(store: Path) -> None:
    watch = ChampionWatch(store)
    assert (watch.look(), watch.current) == ("unchanged", None)
    point_at(store, store / "one", manifest_of())
    assert (watch.look(), watch.look()) == ("switched", "unchanged")
    second = manifest_of(bento="bellwether:bbbb", model_version="2")
    point_at(store, write_champion(store / "two", second, seed=1), second)
    assert watch.look() == "switched"
    assert watch.current is not None
    assert watch.current.manifest.model_version == "2"


def test_a_damaged_champion_leaves_the_old_one_and_is_tried_again(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = []
    watch = ChampionWatch(store, on_outcome=lambda outcome, _: outcomes.append(outcome))
    point_at(store, store / "one", manifest_of())
    watch.look()
    good = watch.current
    second = manifest_of(model_version="2")
    point_at(store, store / "two", second)
    assert [watch.look(), watch.look()] == ["failed", "failed"]
    assert watch.current is good
    assert len([record for record in caplog.records if "cannot be loaded" in record.message]) == 1
    write_champion(store / "two", second, seed=1)
    assert watch.look() == "switched"
    assert outcomes == ["switched", "failed", "failed", "switched"]


def test_a_bento_carries_its_own_champion(store: Path) -> None:
    watch = ChampionWatch(store, embedded=store / "one")
    assert (watch.look(), watch.look()) == ("switched", "unchanged")
    assert watch.current is not None


def test_a_lost_pointer_leaves_the_champion(store: Path) -> None:
    watch = ChampionWatch(store)
    point_at(store, store / "one", manifest_of())
    watch.look()
    (store / POINTER_FILE).unlink()
    watch.look()
    assert watch.current is not None


def test_the_thread_follows_and_ends(store: Path) -> None:
    switched = threading.Event()
    watch = ChampionWatch(store, on_outcome=lambda outcome, _: outcome == "switched" and switched.set())
    watch.start(0.01)
    point_at(store, store / "one", manifest_of())
    assert switched.wait(10)
    watch.stop()
    assert "champion-watch" not in {thread.name for thread in threading.enumerate()}
