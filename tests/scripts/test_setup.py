"""Set-up: what it decides, without installing anything."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pipelines.base.jdk import Jdk
from scripts import setup
from scripts.commands import SetupError, run


def make_environment(folder: Path, place: Path | None = None) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / "bin" / "activate").write_text(f'VIRTUAL_ENV="{place or folder}"\n')
    return folder


@pytest.mark.parametrize("version", [(3, 11), (3, 13)])
def test_a_known_interpreter_is_used_itself(version: tuple[int, int]) -> None:
    assert setup.interpreter_for(version, "/usr/bin/python3") == "/usr/bin/python3"


def test_a_too_new_interpreter_gives_way_to_the_pinned_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup.shutil, "which", lambda _name: None)
    assert setup.interpreter_for((3, 14), "/usr/bin/python3") == "3.11"


def test_an_environment_is_whole_where_it_was_made(tmp_path: Path) -> None:
    assert setup.is_whole(make_environment(tmp_path / ".venv"))


def test_an_environment_that_was_moved_is_not_whole(tmp_path: Path) -> None:
    assert not setup.is_whole(make_environment(tmp_path / ".venv", tmp_path / "elsewhere"))


def test_an_environment_without_interpreter_is_not_whole(tmp_path: Path) -> None:
    folder = make_environment(tmp_path / ".venv")
    (folder / "bin" / "python").unlink()
    assert not setup.is_whole(folder)


def test_lines_that_say_where_packages_come_from_are_dropped() -> None:
    head, addresses = "# head\n", "--index-url x\n--find-links /wheels\n-f /wheels\n"
    pins = f"{head}{addresses}numpy==2.4.1\n    --extra-index-url y\npolars==2.1.0\n"
    assert setup.without_addresses(pins) == "# head\nnumpy==2.4.1\npolars==2.1.0\n"


def test_the_java_link_follows_the_choice(tmp_path: Path) -> None:
    first, second = tmp_path / "jdk-17", tmp_path / "jdk-21"
    first.mkdir()
    second.mkdir()
    link = tmp_path / ".jdk"
    setup.replace_link(link, Jdk(first, 17, True))
    assert link.resolve() == first
    setup.replace_link(link, Jdk(second, 21, True))
    assert link.resolve() == second


def test_the_java_link_stays_where_nothing_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jdk-17").mkdir()
    jdk = Jdk(tmp_path / "jdk-17", 17, True)
    setup.replace_link(tmp_path / ".jdk", jdk)
    capsys.readouterr()
    setup.replace_link(tmp_path / ".jdk", jdk)
    assert capsys.readouterr().err == ""


def test_without_the_right_to_install_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"^jdk: install a JDK, then run `make setup` again$"):
        setup.install_package("jdk", ("openjdk-17-jre-headless",), fix="install a JDK")


def test_an_unknown_step_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.main(["wrok"]) == 2
    choices = "tools, jdk, work, project, jars, classes, kernels, airflow, redis, lock"
    assert f"no such step: wrok; choose from {choices}" in capsys.readouterr().err


def test_a_step_that_cannot_go_on_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def stop() -> None:
        raise SetupError("jdk: install one")

    monkeypatch.setattr(setup, "PROJECT_ROOT", tmp_path)
    monkeypatch.setitem(setup.STEPS, "jdk", stop)
    assert setup.main(["jdk"]) == 1
    assert "jdk: install one" in capsys.readouterr().err


def test_a_failing_command_shows_the_end_of_its_output() -> None:
    with pytest.raises(SetupError, match=r"ended with 3\nno room left"):
        run("work", [sys.executable, "-c", "print('no room left'); raise SystemExit(3)"])


@pytest.mark.parametrize(
    ("ci", "there", "asked"), [("true", False, True), ("true", True, False), ("", False, False)]
)
def test_redis_comes_only_where_all_tests_must_run(
    monkeypatch: pytest.MonkeyPatch, *, ci: str, there: bool, asked: bool
) -> None:
    asks: list[tuple[str, ...]] = []
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(setup.shutil, "which", lambda _: "/usr/bin/redis-server" if there else None)
    monkeypatch.setattr(setup, "install_package", lambda _, names, fix: asks.append((*names, fix)))
    setup.install_redis()
    assert asks == ([("redis-server", "install redis-server")] if asked else [])


def test_without_redis_the_set_up_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, fix: str) -> None:
        raise setup.SetupError(fix)

    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(setup.shutil, "which", lambda _: None)
    monkeypatch.setattr(setup, "install_package", refuse)
    setup.install_redis()
    assert "install redis-server; its tests are skipped" in capsys.readouterr().err
