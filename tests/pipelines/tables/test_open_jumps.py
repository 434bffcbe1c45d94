"""Of each jump the newest version tells whether it waits."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.tables.contracts import SILVER_ACTIONS
from pipelines.tables.open_jumps import read_jumps
from tests.pipelines.table_rows import append

MONDAY, TUESDAY = date(2024, 1, 8), date(2024, 1, 9)


def at(hour: int) -> datetime:
    return datetime(2024, 1, 9, hour, tzinfo=UTC)


def test_a_home_without_actions_has_none(tmp_path: Path) -> None:
    found = read_jumps(open_context(load_settings()[0], tmp_path))
    assert found.is_empty()
    assert found.columns == ["source", "symbol", "session", "value", "valid", "known_at"]


def test_the_newest_version_of_each_counts_and_other_actions_are_none(tmp_path: Path) -> None:
    context = open_context(load_settings()[0], tmp_path)
    told: list[tuple[str, str, date, str, float, bool, int]] = [
        ("files", "BBB", TUESDAY, "jump", 2.0, True, 1),
        ("files", "AAA", TUESDAY, "jump", 0.5, False, 3),
        ("files", "AAA", TUESDAY, "jump", 0.5, True, 2),
        ("files", "AAA", MONDAY, "split", 2.0, True, 4),
        ("other", "AAA", MONDAY, "jump", 3.0, True, 5),
    ]
    names = ("source", "symbol", "session", "kind", "value", "valid")
    columns = {name: [row[place] for row in told] for place, name in enumerate(names)}
    append(context.lake, SILVER_ACTIONS, columns | {"known_at": [at(row[-1]) for row in told]})
    assert read_jumps(context).rows() == [
        ("other", "AAA", MONDAY, 3.0, True, at(5)),
        ("files", "AAA", TUESDAY, 0.5, False, at(3)),
        ("files", "BBB", TUESDAY, 2.0, True, at(1)),
    ]
