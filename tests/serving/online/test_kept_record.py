"""A record is read again when another one stands in its place, and never taken for what it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.small_files import replace_text
from serving.online.kept_record import KeptRecord


def test_it_is_the_same_object_until_it_is_replaced(tmp_path: Path) -> None:
    record = KeptRecord(tmp_path / "record.json")
    assert record.read() == {}
    replace_text(tmp_path / "record.json", '{"a": 1}')
    first = record.read()
    assert first == {"a": 1}
    assert record.read() is first
    replace_text(tmp_path / "record.json", '{"a": 2}')
    assert record.read() == {"a": 2}
    (tmp_path / "record.json").unlink()
    assert record.read() == {}


@pytest.mark.parametrize("torn", [b"", b'{"a": ', b"\xff\xfe", b"[]", b"[" * 100_000])
def test_a_torn_one_is_none_and_mends_with_the_next(torn: bytes, tmp_path: Path) -> None:
    record = KeptRecord(tmp_path / "record.json")
    (tmp_path / "record.json").write_bytes(torn)
    assert record.read() is None
    replace_text(tmp_path / "record.json", "{}")
    assert record.read() == {}
