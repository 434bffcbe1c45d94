from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from pipelines.stack.delta_log import live_files, read_local_table


def commit(table: Path, version: int, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
    log = table / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    actions = [{"commitInfo": {}}, *({"add": {"path": path}} for path in add),
               *({"remove": {"path": path}} for path in remove)]  # fmt: skip
    text = "\n".join(json.dumps(action) for action in actions)
    (log / f"{version:020d}.json").write_text(text, encoding="utf-8")


def write(table: Path, name: str, value: int) -> None:
    table.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"value": [value]}).write_parquet(table / name)


def test_no_table_is_none(tmp_path: Path) -> None:
    assert read_local_table(tmp_path / "absent") is None


def test_removed_files_are_left_out(tmp_path: Path) -> None:
    for name, value in (("a.parquet", 1), ("b.parquet", 2), ("c d.parquet", 3)):
        write(tmp_path, name, value)
    commit(tmp_path, 0, add=("a.parquet", "b.parquet"))
    commit(tmp_path, 1, add=("c%20d.parquet",), remove=("a.parquet",))
    rows = read_local_table(tmp_path)
    assert rows is not None
    assert sorted(rows["value"]) == [2, 3]


def test_a_checkpoint_stands_for_the_commits_before_it(tmp_path: Path) -> None:
    write(tmp_path, "b.parquet", 2)
    commit(tmp_path, 0, add=("gone.parquet",))
    commit(tmp_path, 11, add=("b.parquet",))
    log = tmp_path / "_delta_log"
    pl.DataFrame({"add": [{"path": "kept.parquet"}, None]}).write_parquet(
        log / f"{10:020d}.checkpoint.parquet"
    )
    (log / "_last_checkpoint").write_text('{"version": 10}', encoding="utf-8")
    assert [path.name for path in live_files(tmp_path)] == ["b.parquet", "kept.parquet"]
