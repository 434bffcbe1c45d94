"""A person's decision that a session stays as it is."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.cli.main import main
from pipelines.tables.contracts import OPS_ACCEPTANCES

NOW = "2024-01-10T04:00:00+00:00"


def accept(home: Path, session: str = "2024-01-09", why: str = "a strike", *more: str) -> Result:
    words = ["accept-partial", "--session", session, "--why", why, "--clock", NOW, *more, "--home", str(home)]
    return CliRunner().invoke(main, words)


def test_it_is_kept_with_who_and_why(spark: object, tmp_path: Path) -> None:
    result = accept(tmp_path, "2024-01-09", " a strike ", "--set", "tracking.signed_by=ann")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["session"], said["why"]) == ("2024-01-09", "a strike")
    assert accept(tmp_path, "2024-01-08", "no names yet", "--source", "files").exit_code == 0
    lake = open_context(load_settings()[0], tmp_path).lake
    rows = lake.collect_table(OPS_ACCEPTANCES).sort("session").drop("who").rows()
    instant = datetime(2024, 1, 10, 4, tzinfo=UTC)
    assert rows == [
        ("partial", "files", date(2024, 1, 8), "no names yet", instant),
        ("partial", "simulated", date(2024, 1, 9), "a strike", instant),
    ]
    assert "ann" in lake.collect_table(OPS_ACCEPTANCES)["who"]


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (("2024-01-09", " "), 65, "--why ' ' says nothing"),
        (("2024-01-06",), 99, "2024-01-06 is no session of XNYS"),
        (("2099-01-05",), 78, "the calendar XNYS ends on"),
        (("2024-01-09", "so be it", "--source", "vendor"), 78, "--source vendor is no key of sources"),
    ],
)
def test_a_slip_is_named_and_keeps_nothing(
    command: tuple[str, ...], status: int, said: str, tmp_path: Path
) -> None:
    result = accept(tmp_path, *command)
    assert (result.exit_code, said in result.output) == (status, True), result.output
    assert list(tmp_path.iterdir()) == []
