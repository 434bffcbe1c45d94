"""A promotion becomes the answering model between two looks; a damaged one changes nothing."""

from __future__ import annotations

import hashlib
import shutil
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from serving.champion_watch import ChampionWatch
from serving.pointer import POINTER_FILE, read_pointer, write_pointer
from serving.served_model import MANIFEST_FILE
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
    point_at(store, write_champion(store / "two", second, seed=1), second)
    (store / "two").rename(store / "away")
    assert [watch.look(), watch.look()] == ["failed", "failed"]
    assert watch.current is good
    assert len([record for record in caplog.records if "cannot be loaded" in record.message]) == 1
    (store / "away").rename(store / "two")
    assert watch.look() == "switched"
    assert outcomes == ["switched", "failed", "failed", "switched"]


def test_files_that_the_pointer_does_not_mean_are_not_even_parsed(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch = ChampionWatch(store)
    point_at(store, store / "one", manifest_of())
    watch.look()
    good, second = watch.current, manifest_of(model_version="2")
    point_at(store, write_champion(store / "two", second, seed=1), second)
    whole = (store / "two" / MANIFEST_FILE).read_bytes()
    (store / "two" / MANIFEST_FILE).write_bytes(b"\xff not to be parsed")
    assert watch.look() == "failed"
    assert watch.current is good
    assert "is not the champion that current.json names" in caplog.text
    assert "UnicodeDecodeError" not in caplog.text
    (store / "two" / MANIFEST_FILE).write_bytes(whole)
    (store / "two" / "more").write_text("a file too many")
    assert watch.look() == "failed"
    (store / "two" / "more").unlink()
    assert watch.look() == "switched"


@pytest.mark.parametrize("text", ["", '{"tag": "bell', "null", "\x00\x00", '{"tag": 1}', "[" * 5000])
def test_a_torn_pointer_leaves_the_champion(text: str, store: Path) -> None:
    watch = ChampionWatch(store)
    point_at(store, store / "one", manifest_of())
    watch.look()
    good = watch.current
    (store / POINTER_FILE).write_text(text)
    assert watch.look() == "failed"
    assert watch.current is good is not None
    point_at(store, store / "one", manifest_of())
    assert watch.look() == "switched"


def test_no_error_of_a_look_ends_the_thread(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    switched = threading.Event()
    refused = iter([PermissionError("the disk is away"), MemoryError(), OSError(5, "input/output error")])
    genuine = ChampionWatch._stamp

    def stamp(watch: ChampionWatch) -> object:
        for error in refused:
            raise error
        return genuine(watch)

    monkeypatch.setattr(ChampionWatch, "_stamp", stamp)
    watch = ChampionWatch(store, on_outcome=lambda outcome, _: outcome == "switched" and switched.set())
    point_at(store, store / "one", manifest_of())
    watch.start(0.01)
    assert switched.wait(10)
    watch.stop()
    assert caplog.text.count("the next one follows") == 3


@pytest.mark.parametrize(("every", "allowed"), [(0.5, 60.0), (10.0, 100.0)])
def test_a_watch_that_is_silent_for_ten_looks_and_a_minute_says_so(
    every: float, allowed: float, store: Path
) -> None:
    now = [100.0]
    watch = ChampionWatch(store, clock=lambda: now[0])
    assert watch.why_not_following() is None
    watch.start(every)
    watch.stop()
    now[0] += allowed
    assert watch.why_not_following() is None
    now[0] += 0.1
    silence = watch.why_not_following()
    assert silence is not None
    assert silence.startswith(
        f"no look at {store / POINTER_FILE} has come to an end for {allowed:.0f} s, and"
    )


def test_a_watch_whose_looks_all_fail_follows_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(watch: ChampionWatch) -> None:
        raise PermissionError("the disk is away")

    now = [100.0]
    monkeypatch.setattr(ChampionWatch, "_stamp", away)
    watch = ChampionWatch(store, clock=lambda: now[0])
    watch.start(30.0)
    watch.stop()
    now[0] += 301.0
    watch._look_on()
    assert watch.why_not_following() is not None


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


def test_forecasts_that_a_champion_brings_are_read_once_their_digest_is_right(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    brought = pl.DataFrame({"symbol": ["AAA"], "session": [date(2018, 2, 7)], "value": [0.5]})
    brought.write_parquet(store / "brought.parquet")
    digest = hashlib.sha256((store / "brought.parquet").read_bytes()).hexdigest()
    point_at(store, store / "one", manifest_of())
    watch, plain = ChampionWatch(store), read_pointer(store)
    assert plain is not None
    assert watch.look() == "switched"
    write_pointer(store, replace(plain, issued="brought.parquet", issued_digest="0" * 64))
    assert watch.look() == "failed"
    # After a restart one without them is better than none.
    restarted = ChampionWatch(store)
    assert (restarted.look(), restarted.current is None) == ("switched", False)
    assert "does not hold the forecasts that current.json names" in caplog.text
    write_pointer(store, replace(plain, issued="brought.parquet", issued_digest=digest))
    assert watch.look() == "switched"
    assert watch.current is not None
    assert watch.current.issued is not None
    assert watch.current.issued.equals(brought)


@pytest.mark.parametrize(("decision", "unready"), [("rollback", True), ("promotion", False)])
def test_a_withdrawn_champion_may_answer_for_a_minute_and_no_longer(
    store: Path, *, decision: str, unready: bool
) -> None:
    seconds = [0.0]
    watch = ChampionWatch(store, clock=lambda: seconds[0])
    point_at(store, store / "one", manifest_of())
    watch.start(every_seconds=3600)
    second = manifest_of(model_version="2")
    point_at(store, write_champion(store / "two", second, seed=1), second)
    pointer = read_pointer(store)
    assert pointer is not None
    write_pointer(store, replace(pointer, decision=decision))
    (store / "two").rename(store / "away")
    try:
        assert (watch.look(), watch.awaited) == ("failed", "2")
        seconds[0] = 59.0
        assert (watch.look(), watch.why_not_following()) == ("failed", None)
        seconds[0] = 61.0
        watch.look()
        assert ("rolled back to version 2" in (watch.why_not_following() or "")) is unready
        write_pointer(store, replace(pointer, decision="promotion", digest="0"))
        assert watch.look() == "failed"
        assert (watch.why_not_following() is not None) is unready
        (store / POINTER_FILE).write_text("torn")
        assert watch.look() == "failed"
        assert (watch.why_not_following() is not None) is unready
        write_pointer(store, replace(pointer, decision=decision))
        (store / "away").rename(store / "two")
        assert (watch.look(), watch.awaited, watch.why_not_following()) == ("switched", None, None)
    finally:
        watch.stop()
