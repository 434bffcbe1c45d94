"""A reader sees the old file or the new one, and what a power cut has torn is taken for absent."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.base.small_files import read_record, replace_text, sync_tree

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
        order.append((place.name.partition(f".{os.getpid()}")[0], path.exists()))
        genuine(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    replace_text(path, "{}")
    assert order == [(".record.json", False), (tmp_path.name, True)]


def test_a_file_is_its_owners_alone_where_asked(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("for all to read")
    replace_text(tmp_path / "secret.json", "{}", mode=0o600)
    assert stat.S_IMODE((tmp_path / "secret.json").stat().st_mode) == 0o600


def test_an_error_leaves_the_old_text_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    (tmp_path / "record.json").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        replace_text(tmp_path / "record.json", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_threads_that_write_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with ThreadPoolExecutor(max_workers=4) as threads:
        list(threads.map(lambda number: replace_text(path, f'{{"a": {number}}}'), range(200)))
    assert set(read_record(path)) == {"a"}
    assert [one.name for one in tmp_path.iterdir()] == ["record.json"]


def test_a_tree_is_synced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one" / "two").mkdir(parents=True)
    (tmp_path / "one" / "two" / "file").write_text("x")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda one: synced.append(os.readlink(f"/proc/self/fd/{one}")))
    sync_tree(tmp_path)
    assert set(synced) == {str(path) for path in (tmp_path, *tmp_path.rglob("*"))}


def test_read_record_of_nothing_is_empty(tmp_path: Path) -> None:
    assert read_record(tmp_path / "absent.json") == {}


@pytest.mark.parametrize("content", TORN)
def test_a_torn_record_is_taken_for_absent_with_a_warning(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "record.json").write_bytes(content)
    assert read_record(tmp_path / "record.json") == {}
    assert "taken for absent" in caplog.text
