"""Follows a guide: puts its blocks into a copy of the project, where their first lines say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pipelines.base.project import PROJECT_ROOT

COPIED = (
    "conf", "dags", "docs", "feature_repo", "features", "models", "pipelines", "serving", "simulation",
    "tests", "pyproject.toml",
)  # fmt: skip
LINKED = (".jars", ".jdk", ".venv")
BLOCK = re.compile(r"^```(?:python|yaml|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WHERE = r'(?P<how>below|above|in place of) "(?P<line>.+)"|(?P<end>at the end)'
PLACE = re.compile(rf"# (?P<file>\S+?)(?:, (?:{WHERE}))?")


def copy_project(folder: Path) -> Path:
    """Copy what the guides touch and run; environments and jars are linked."""
    for name in COPIED:
        source = PROJECT_ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.tar.gz"))
        else:
            shutil.copy(source, folder / name)
    for name in LINKED:
        (folder / name).symlink_to((PROJECT_ROOT / name).resolve())
    return folder


def follow(page: str, root: Path) -> list[str]:
    """Do what the blocks of ``docs/<page>`` say, one after the other; return the files touched."""
    text = (PROJECT_ROOT / "docs" / page).read_text(encoding="utf-8")
    touched = []
    for block in BLOCK.findall(text):
        first, _, rest = block.partition("\n")
        place = PLACE.fullmatch(first)
        if place is not None:
            touched.append(place["file"])
            put(rest, root / place["file"], place)
    return list(dict.fromkeys(touched))


def put(code: str, file: Path, place: re.Match[str]) -> None:
    """Write a new file, or insert into one; a line to insert at must stand there once."""
    if place["end"]:
        file.write_text(file.read_text(encoding="utf-8") + code, encoding="utf-8")
        return
    if not place["how"]:
        assert not file.exists(), f"{file} exists; a guide adds what is not there"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code, encoding="utf-8")
        return
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    found = [number for number, line in enumerate(lines) if line == f"{place['line']}\n"]
    assert len(found) == 1, f"{file} holds the line {place['line']!r} {len(found)} times"
    start = found[0] + (place["how"] == "below")
    lines[start : start + (place["how"] == "in place of")] = code.splitlines(keepends=True)
    file.write_text("".join(lines), encoding="utf-8")
