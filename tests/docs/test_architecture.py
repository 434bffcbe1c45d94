"""The page of the architecture says what the code says: rooms, tables, readers, writers, files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.base.project import PROJECT_ROOT
from pipelines.stages import STAGES
from pipelines.tables.contracts import all_tables, select_tables

PAGE = (PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([^`]+)`")


def rows_of(heading: str) -> Iterator[list[str]]:
    """Yield the cells of the rows of the table below a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def layers() -> list[dict[str, Any]]:
    settings = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return [contract for contract in contracts if contract["type"] == "layers"]


def stages_that(side: str, table: str) -> list[str]:
    """Return the stages that name a table, `maintain` aside, which names all of them."""
    touching = (
        one for one in STAGES.values() if table in {t.name for t in select_tables(getattr(one, side))}
    )
    return sorted(stage.name for stage in touching if stage.name != "maintain")


def test_every_room_of_the_contracts_has_its_row() -> None:
    rooms = {
        "/".join([*contract.get("containers", []), room.strip()]) + "/"
        for contract in layers()
        for layer in contract["layers"]
        for room in layer.split("|")
    }
    listed = {CODE.findall(row[0])[0] for row in list(rows_of("The rooms"))[1:]}
    assert listed == (rooms - {"pipelines/"}) | {"dags/"}
    assert all((PROJECT_ROOT / room).is_dir() for room in listed)


@pytest.mark.parametrize("table", all_tables(), ids=lambda table: table.name)
def test_the_table_of_tables_is_that_of_the_contracts(table: Any) -> None:
    row = next(row for row in rows_of("The tables") if row[0] == f"`{table.name}`")
    assert row[2] == ", ".join(table.key)
    assert row[3] == (table.partition_by or "")
    assert row[4] == ", ".join(stages_that("writes", table.name))
    assert row[5] == ", ".join(stages_that("reads", table.name))


def test_no_table_is_listed_that_is_none() -> None:
    listed = {row[0].strip("`") for row in list(rows_of("The tables"))[1:]}
    assert listed == {table.name for table in all_tables()}


def test_the_files_to_touch_exist() -> None:
    files = [
        name
        for row in rows_of("Where do I change what")
        for cell in row[2:]
        for name in CODE.findall(cell)
        if re.search(r"\.(py|yaml|toml|in|txt|md)$", name) and "<" not in name
    ]
    assert len(files) > 40
    assert [name for name in files if not (PROJECT_ROOT / name).is_file()] == []


def test_none_of_the_twelve_changes_asks_for_more_than_five_files() -> None:
    changes = [row for row in rows_of("Where do I change what") if row[0].startswith("**")]
    assert len(changes) == 12
    for row in changes:
        named = {name for name in CODE.findall(row[2]) if re.search(r"\.(py|yaml|toml|in|txt)$", name)}
        assert len(named) <= 5, f"{row[0]}: {sorted(named)}"
