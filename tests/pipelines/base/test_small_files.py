"""A reader sees the old file or the new one, and what a power cut has torn is taken for absent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipelines.base.small_files import read_record, replace_text

TORN = [b"", b'{"a": ', b"\x00" * 40, b"\xff\xfe\x81", b"[1]", b"null", b"[" * 100_000]


def test_replace_text_leaves_no_part_behind(tmp_path: Path) -> None:
    replace_text(tmp_path / "record.json", '{"a": 1}')
    assert read_record(tmp_path / "record.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_replace_text_is_down_before_its_name_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, order = tmp_path / "record.json", []
    genuine = os.fsync

    def fsync(descriptor: int) -> None:
        place = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        order.append((place.name, path.exists()))
        genuine(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    replace_text(path, "{}")
    assert order == [(f".record.json.{os.getpid()}", False), (tmp_path.name, True)]


def test_a_part_that_a_crash_has_left_is_written_over_and_the_mode_is_kept(tmp_path: Path) -> None:
    (tmp_path / f".secret.json.{os.getpid()}").write_text("left by a crash, for all to read")
    replace_text(tmp_path / "secret.json", "{}", mode=0o600)
    assert stat.S_IMODE((tmp_path / "secret.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.json"]


def test_read_record_of_nothing_is_empty(tmp_path: Path) -> None:
    assert read_record(tmp_path / "absent.json") == {}


@pytest.mark.parametrize("content", TORN)
def test_a_torn_record_is_taken_for_absent_with_a_warning(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "record.json").write_bytes(content)
    assert read_record(tmp_path / "record.json") == {}
    assert "taken for absent" in caplog.text
