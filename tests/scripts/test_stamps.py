"""Stamps decide what set-up may leave alone."""

from __future__ import annotations

from pathlib import Path

from scripts.stamps import clear_stamps, digest_of, is_current, write_stamp


def test_a_digest_depends_on_contents_and_order_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("polars==2.1.0\n")
    two.write_text("numpy==2.4.1\n")
    before = digest_of([one, two])
    one.touch()
    assert digest_of([one, two]) == before
    assert digest_of([two, one]) != before
    two.write_text("numpy==2.4.2\n")
    assert digest_of([one, two]) != before


def test_a_digest_keeps_files_apart(tmp_path: Path) -> None:
    for name, text in {"a": "xy", "b": "z", "c": "x", "d": "yz"}.items():
        (tmp_path / name).write_text(text)
    assert digest_of([tmp_path / "a", tmp_path / "b"]) != digest_of([tmp_path / "c", tmp_path / "d"])


def test_a_folder_is_current_only_for_what_it_was_made_from(tmp_path: Path) -> None:
    assert not is_current(tmp_path, "abc")
    write_stamp(tmp_path, "abc")
    assert is_current(tmp_path, "abc")
    assert not is_current(tmp_path, "abd")


def test_stamps_of_one_folder_have_names(tmp_path: Path) -> None:
    write_stamp(tmp_path, "abc")
    assert not is_current(tmp_path, "abc", name="project")


def test_cleared_stamps_are_gone_and_other_files_stay(tmp_path: Path) -> None:
    write_stamp(tmp_path, "abc")
    write_stamp(tmp_path, "def", name="project")
    (tmp_path / "pyvenv.cfg").touch()
    clear_stamps(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pyvenv.cfg"]
