"""Who waits for whom: writers of one lake, whichever homes they come from, and trainings of one home."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from pipelines.app.locks import lock_path
from pipelines.app.runner import open_context, run_locked
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.errors import SettingsError, TransientError
from pipelines.base.home import Home
from pipelines.base.project import PROJECT_ROOT
from pipelines.base.report import SessionRange
from pipelines.cli.main import main

BUCKET = "lake.root=s3a://ours/lake"
VARIABLE, DATABASE = "BELLWETHER_LOCK_DATABASE", "postgresql://ann:hunter2@db/x"
SESSION = SessionRange(start=date(2024, 1, 2), end=date(2024, 1, 2))


@contextmanager
def held_elsewhere(lock: str, home: Path, *overrides: str) -> Iterator[None]:
    """Hold a lock of a home in another process, as a scheduler's would be, for the block."""
    code = (
        "import sys; from pathlib import Path\n"
        "from pipelines.app.runner import open_context\n"
        "from pipelines.app.settings import load_settings\n"
        "settings, _ = load_settings(overrides=sys.argv[3:])\n"
        "with getattr(open_context(settings, Path(sys.argv[2])), sys.argv[1])():\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, lock, str(home), *overrides],
        cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield
    finally:
        other.communicate("")


def opened(home: Path, *overrides: str) -> Context:
    """Open a home whose locks are waited for a moment only."""
    settings, _ = load_settings(overrides=["lake.lock_timeout_seconds=0.2", *overrides])
    return open_context(settings, home)


@pytest.mark.parametrize(
    ("root", "other_root", "other_home"),
    [("", "", "home"), ("{}/lake", "{}/lake", "other"), ("file:{}/lake", "{}/lake", "other")],
    ids=["one", "two", "uri"],
)
def test_a_second_writer_waits_its_time_and_is_refused(
    root: str, other_root: str, other_home: str, tmp_path: Path
) -> None:
    context = opened(tmp_path / "home", f"lake.root='{root.format(tmp_path)}'")
    with (
        held_elsewhere("writing", tmp_path / other_home, f"lake.root='{other_root.format(tmp_path)}'"),
        pytest.raises(TransientError, match=r"another writer holds .*\.writer\.lock for more than 0.2 s"),
        context.writing(),
    ):
        pass
    with context.writing():
        place = tmp_path / "lake" if root else context.home.lake
        assert (place / ".writer.lock").exists()


def test_homes_that_share_a_lake_elsewhere_take_turns_by_the_file_that_both_name(tmp_path: Path) -> None:
    shared = (BUCKET, f"lake.lock_file={tmp_path / 'locks' / 'lake.lock'}")
    context = opened(tmp_path / "home", *shared)
    refused = pytest.raises(TransientError, match=r"another writer holds .*locks/lake\.lock for more than")
    with held_elsewhere("writing", tmp_path / "other", *shared), refused, context.writing():
        pass
    with context.writing():
        pass


def test_who_can_wait_longer_waits_longer(tmp_path: Path) -> None:
    context = opened(tmp_path / "home")
    refused = pytest.raises(TransientError, match=r"for more than 0.01 s")
    with held_elsewhere("writing", tmp_path / "home"), refused, context.writing(seconds=0.01):
        pass


def test_trainings_of_a_home_take_turns_and_a_writer_goes_on_beside_them(tmp_path: Path) -> None:
    context = opened(tmp_path / "home")
    with held_elsewhere("training", tmp_path / "home"):
        with pytest.raises(TransientError, match=r"another training holds .*training\.lock for more than"):
            run_locked(context, "train", SESSION)
        with context.writing(), opened(tmp_path / "other").training():
            pass


@pytest.mark.parametrize("command", ["train", "evaluate", "reproduce"])
def test_a_second_training_ends_75(command: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    words = [command, *(["1"] if command == "reproduce" else []), "--home", str(tmp_path / "home")]
    with held_elsewhere("training", tmp_path / "home"):
        ended = CliRunner().invoke(main, [*words, "--set", "lake.lock_timeout_seconds=0.1"])
    assert ended.exit_code == 75
    assert "another training holds" in ended.output


@pytest.mark.parametrize(
    "words",
    [
        ["ingest"],
        ["train"],
        ["reproduce", "1"],
        ["accept-partial", "--session", "2024-01-02", "--why", "a strike"],
    ],
    ids=lambda words: words[0],
)
def test_a_lake_elsewhere_without_a_lock_ends_78_and_names_both_ways(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.app.runner.peek_stage", lambda *_: None)
    (tmp_path / "home").mkdir()
    ended = CliRunner().invoke(main, [*words, "--home", str(tmp_path / "home"), "--set", BUCKET])
    assert ended.exit_code == 78
    assert "name lake.lock_database" in ended.output
    assert "or lake.lock_file" in ended.output


def test_the_lock_of_a_folder_lies_in_it_and_needs_no_setting(tmp_path: Path) -> None:
    settings, _ = load_settings(overrides=[f"lake.root=file://{tmp_path}/lake"])
    assert lock_path(settings.lake, Home(tmp_path / "home")) == tmp_path / "lake" / ".writer.lock"
    with pytest.raises(SettingsError, match=r"lake.root=s3a://ours/lake is no folder"):
        lock_path(load_settings(overrides=[BUCKET])[0].lake, Home(tmp_path))


@pytest.mark.parametrize(
    ("overrides", "database", "message"),
    [
        (
            ["lake.lock_file=a.lock"],
            "",
            r"lake\.lock_file: lock_file=a\.lock is for a root that is no folder, and root='' is",
        ),
        (
            ["lake.root=file:/srv/lake"],
            DATABASE,
            r"lock_database=\*+ is for .* and root='file:/srv/lake' is one: the lock lies in it",
        ),
        (
            [BUCKET, "lake.lock_file=a.lock"],
            DATABASE,
            r"lock_file='a\.lock' stands beside lock_database",
        ),
    ],
)
def test_a_lake_has_one_lock(
    overrides: list[str], database: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, database)
    with pytest.raises(SettingsError, match=message) as refused:
        load_settings(overrides=overrides)
    assert "hunter2" not in str(refused.value)


def test_the_database_of_the_lock_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, DATABASE)
    settings, _ = load_settings(overrides=[BUCKET])
    assert "hunter2" not in f"{settings!r} {settings.model_dump(mode='json')}"


def test_a_lake_elsewhere_is_locked_in_the_database_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    @contextmanager
    def hold(address: str, name: str, *, seconds: float) -> Iterator[None]:
        asked.append((address, name, seconds))
        yield

    module = ModuleType("pipelines.io.advisory_lock")
    module.hold_advisory_lock = hold  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv(VARIABLE, "postgresql://db/x")
    context = opened(tmp_path / "home", BUCKET)
    with context.writing(), context.writing(seconds=7):
        pass
    assert asked == [("postgresql://db/x", "s3a://ours/lake", wait) for wait in (0.2, 7)]
