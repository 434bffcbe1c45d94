"""Finding a Java that Spark starts on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.jdk import (
    VECTOR_MODULE,
    candidate_homes,
    choose_jdk,
    inspect_jdk,
    parse_modules,
    parse_version,
)


def make_java(home: Path, version: str, modules: str = f"java.base {VECTOR_MODULE}") -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch()
    (home / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return home


@pytest.mark.parametrize(("text", "version"), [("1.8.0_402", 8), ("17.0.15", 17), ("25", 25)])
def test_the_feature_release_is_read(text: str, version: int) -> None:
    assert parse_version(f'IMPLEMENTOR="x"\nJAVA_VERSION="{text}"\n') == version


def test_an_unreadable_release_file_has_no_version_and_no_modules() -> None:
    assert parse_version("nothing") is None
    assert parse_modules("nothing") == frozenset()


def test_a_complete_java_17_is_usable(tmp_path: Path) -> None:
    jdk = inspect_jdk(make_java(tmp_path, "17.0.15"))
    assert jdk is not None
    assert (jdk.version, jdk.usable) == (17, True)


@pytest.mark.parametrize(
    ("version", "modules"), [("11.0.2", VECTOR_MODULE), ("17.0.15", "java.base java.sql")]
)
def test_an_old_or_trimmed_java_is_not_usable(tmp_path: Path, version: str, modules: str) -> None:
    jdk = inspect_jdk(make_java(tmp_path, version, modules))
    assert jdk is not None
    assert not jdk.usable


def test_a_folder_without_java_is_none(tmp_path: Path) -> None:
    assert inspect_jdk(tmp_path) is None


def test_the_first_usable_one_is_chosen(tmp_path: Path) -> None:
    old = make_java(tmp_path / "old", "11.0.2")
    good, newer = make_java(tmp_path / "good", "17.0.15"), make_java(tmp_path / "newer", "21.0.1")
    chosen = choose_jdk([tmp_path / "none", old, good, newer])
    assert chosen is not None
    assert chosen.home == good


def test_what_was_asked_for_comes_before_what_setup_chose(tmp_path: Path) -> None:
    homes = list(candidate_homes(tmp_path, "/opt/jdk"))
    assert homes[:2] == [Path("/opt/jdk"), tmp_path / ".jdk"]


def test_nothing_usable_is_none(tmp_path: Path) -> None:
    assert choose_jdk([tmp_path]) is None
