"""The pointer is replaced whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.pointer import POINTER_FILE, Pointer, read_pointer, write_pointer

POINTER = Pointer(tag="bellwether:v1", champion="bentos/x", model_version="1", model_key="k", digest="d")


def test_it_reads_back_and_leaves_nothing_else(tmp_path: Path) -> None:
    assert read_pointer(tmp_path) is None
    write_pointer(tmp_path / "bento", POINTER)
    assert read_pointer(tmp_path / "bento") == POINTER
    assert [path.name for path in (tmp_path / "bento").iterdir()] == [POINTER_FILE]


@pytest.mark.parametrize("text", ["{", "[]", '{"tag": "x"}', "null"])
def test_a_damaged_one_names_the_file_and_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / POINTER_FILE).write_text(text)
    with pytest.raises(ValueError, match=r"current.json is not a pointer .* run `bellwether install`"):
        read_pointer(tmp_path)


def test_what_a_later_release_says_besides_is_left_out(tmp_path: Path) -> None:
    write_pointer(tmp_path, POINTER)
    said = json.loads((tmp_path / POINTER_FILE).read_text())
    (tmp_path / POINTER_FILE).write_text(json.dumps(said | {"more": "than this release knows"}))
    assert read_pointer(tmp_path) == POINTER
