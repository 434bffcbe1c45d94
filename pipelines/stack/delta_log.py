"""Reads one small local Delta table without Spark, for pages that must answer at once."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import polars as pl


def read_local_table(table: Path) -> pl.DataFrame | None:
    """Return the newest version of a Delta table in a local folder; None where there is none.

    Only what the platform writes is understood: no partitions, no deletion vectors, classic checkpoints.
    """
    files = live_files(table)
    return pl.concat([pl.read_parquet(path) for path in files], how="diagonal") if files else None


def live_files(table: Path) -> list[Path]:
    """Return the data files of the newest version: those added and not removed since the last checkpoint."""
    log = table / "_delta_log"
    start, live = _checkpoint(log)
    for commit in sorted(log.glob("[0-9]*.json")):
        if int(commit.stem) > start:
            _apply(commit, live)
    return [table / unquote(path) for path in sorted(live)]


def _checkpoint(log: Path) -> tuple[int, set[str]]:
    pointer = log / "_last_checkpoint"
    if not pointer.exists():
        return -1, set()
    version = json.loads(pointer.read_text(encoding="utf-8"))["version"]
    parts = sorted(log.glob(f"{version:020d}.checkpoint*.parquet"))
    added = pl.concat([pl.read_parquet(part, columns=["add"]) for part in parts])
    paths = added["add"].struct.field("path").drop_nulls()
    return version, set(paths)


def _apply(commit: Path, live: set[str]) -> None:
    for line in commit.read_text(encoding="utf-8").splitlines():
        action = json.loads(line)
        if "add" in action:
            live.add(action["add"]["path"])
        if "remove" in action:
            live.discard(action["remove"]["path"])
