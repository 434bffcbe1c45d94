"""The glossary's third column leads to where a word stands in the code."""

from __future__ import annotations

import re

import pytest

from pipelines.base.project import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
PLACE = r"(?:`(?P<file>[^`]+)`(?: `(?P<name>[^`]+)`)?)?"
ROW = re.compile(rf"^\| (?P<term>[^|]+) \| (?P<meaning>[^|]+) \| {PLACE} ?\|$")
READ = [row for row in map(ROW.match, PAGE.splitlines()) if row]
ROWS = [row for row in READ if row["term"] != "term" and "---" not in row["term"]]


def test_every_line_of_a_table_is_read() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    headings = [line for line in lines if line.startswith(("| term", "|---", "| ---"))]
    assert len(ROWS) == len(lines) - len(headings) > 80


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["term"])
def test_a_term_is_where_its_line_says(row: re.Match[str]) -> None:
    if row["file"] is None:
        assert "not yet" in row["meaning"]
        return
    text = (PROJECT_ROOT / row["file"]).read_text(encoding="utf-8")
    assert re.search(rf"\b{row['name'] or ''}\b", text), f"{row['file']} has no {row['name']}"


def test_a_term_stands_once() -> None:
    terms = [row["term"] for row in ROWS]
    assert [term for term in terms if terms.count(term) > 1] == []
