"""A reader sees the old file or the new one."""

from __future__ import annotations

from pathlib import Path

from pipelines.base.small_files import read_record, replace_text


def test_replace_text_leaves_no_part_behind(tmp_path: Path) -> None:
    replace_text(tmp_path / "record.json", '{"a": 1}')
    assert read_record(tmp_path / "record.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_read_record_of_nothing_is_empty(tmp_path: Path) -> None:
    assert read_record(tmp_path / "absent.json") == {}
