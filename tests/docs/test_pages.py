"""Pages name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.base.project import PROJECT_ROOT
from tests.docs.guide import BLOCK, PLACE

GENERATED = {"dags.md", "features.md"}
TOP = [PROJECT_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
BELOW = [page for page in sorted((PROJECT_ROOT / "docs").rglob("*.md")) if page.name not in GENERATED]
PAGES = [*TOP, *BELOW]
NAMED = re.compile(
    r"`((?:conf|dags|docker|docs|feature_repo|features|models|pipelines|requirements|scripts|serving|simulation"
    r"|tests)/[\w./-]*[\w-]\.(?:py|yaml|toml|in|txt|md))`"
)
ADDED = re.compile(r"lightgbm|lstm")
"""Examples of the architecture page that nobody has written."""


def made_by_guides() -> set[str]:
    """Return the files that are there once the guides were followed."""
    texts = [page.read_text(encoding="utf-8") for page in (PROJECT_ROOT / "docs").glob("add_a_*.md")]
    places = (PLACE.fullmatch(block.partition("\n")[0]) for text in texts for block in BLOCK.findall(text))
    return {place["file"] for place in places if place}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_a_page_names_files_that_are_there(page: Path) -> None:
    named = set(NAMED.findall(page.read_text(encoding="utf-8"))) - made_by_guides()
    absent = {name for name in named if not (PROJECT_ROOT / name).exists()}
    assert [name for name in sorted(absent) if not ADDED.search(name)] == []
