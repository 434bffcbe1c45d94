"""A person's decision that a session stays as it is, or that a jump of prices was a move."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.cli.main import main
from pipelines.tables.contracts import OPS_ACCEPTANCES, SILVER_ACTIONS
from tests.pipelines.table_rows import append

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
    rows = lake.collect_table(OPS_ACCEPTANCES).sort("session").drop("who", "symbol").rows()
    instant = datetime(2024, 1, 10, 4, tzinfo=UTC)
    assert rows == [
        ("partial", "files", date(2024, 1, 8), "no names yet", instant),
        ("partial", "simulated", date(2024, 1, 9), "a strike", instant),
    ]
    assert "ann" in lake.collect_table(OPS_ACCEPTANCES)["who"]


def test_the_same_word_again_adds_nothing_and_another_does(spark: object, tmp_path: Path) -> None:
    first = accept(tmp_path)
    later = "2024-01-11T04:00:00+00:00"
    again = accept(tmp_path, "2024-01-09", "a strike", "--clock", later)
    assert (first.exit_code, again.exit_code) == (0, 0), again.output
    assert json.loads(again.stdout) == json.loads(first.stdout)
    lake = open_context(load_settings()[0], tmp_path).lake
    assert lake.collect_table(OPS_ACCEPTANCES).height == 1
    assert accept(tmp_path, "2024-01-09", "still a strike", "--clock", later).exit_code == 0
    assert accept(tmp_path, "2024-01-09", "a strike", "--source", "files").exit_code == 0
    assert lake.collect_table(OPS_ACCEPTANCES).height == 3


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


JUMPS = {
    "source": ["files"] * 4,
    "symbol": ["AAA", "BBB", "BBB", "CCC"],
    "session": [date(2024, 1, 9), date(2024, 1, 8), date(2024, 1, 8), date(2024, 1, 8)],
    "kind": ["jump", "jump", "jump", "split"],
    "value": [0.5, 2.0, 2.0, 2.0],
    "valid": [True, True, False, True],
    "known_at": [datetime(2024, 1, 9, 22, tzinfo=UTC) + timedelta(hours=hour) for hour in range(4)],
}
"""AAA's jump waits; BBB's was explained an hour after it was seen; CCC has none."""


def accept_jump(home: Path, symbol: str, session: str, why: str = "a takeover bid", *more: str) -> Result:
    words = ["accept-jump", "--symbol", symbol, "--session", session, "--why", why, "--clock", NOW]
    return CliRunner().invoke(main, [*words, "--source", "files", *more, "--home", str(home)])


def test_a_jump_is_taken_for_a_move_from_the_hour_of_the_word_on(spark: object, tmp_path: Path) -> None:
    lake = open_context(load_settings()[0], tmp_path).lake
    append(lake, SILVER_ACTIONS, JUMPS)
    result = accept_jump(tmp_path, "AAA", "2024-01-09", " a takeover bid ", "--set", "tracking.signed_by=ann")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["kind"], said["symbol"], said["why"]) == ("jump", "AAA", "a takeover bid")
    assert lake.collect_table(OPS_ACCEPTANCES).rows(named=True) == [
        {
            "kind": "jump",
            "source": "files",
            "session": date(2024, 1, 9),
            "symbol": "AAA",
            "who": "ann",
            "why": "a takeover bid",
            "accepted_at": datetime(2024, 1, 10, 4, tzinfo=UTC),
        }
    ]
    # Once curate has taken it up the jump waits no more; the word that took it may still be said again.
    taken = {name: [values[0]] for name, values in JUMPS.items()}
    append(
        lake, SILVER_ACTIONS, taken | {"valid": [False], "known_at": [datetime(2024, 1, 10, 5, tzinfo=UTC)]}
    )
    again = accept_jump(tmp_path, "AAA", "2024-01-09", "a takeover bid", "--set", "tracking.signed_by=ann")
    assert (again.exit_code, again.stdout) == (0, result.stdout)
    assert lake.collect_table(OPS_ACCEPTANCES).height == 1


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("AAA", "2024-01-09", " "), 65, "--why ' ' says nothing; name the reason for which AAA has moved"),
        (
            ("AAA", "2024-01-08", "so be it"),
            78,
            "AAA has no unexplained jump on 2024-01-08 in the bars of files",
        ),
        (("BBB", "2024-01-08", "so be it"), 78, "BBB has no unexplained jump on 2024-01-08"),
        (("CCC", "2024-01-08", "so be it"), 78, "there are AAA 2024-01-09"),
        (("NONE", "2024-01-09", "so be it"), 78, "NONE has no unexplained jump on 2024-01-09"),
        (("AAA", "2024-01-06", "so be it"), 99, "2024-01-06 is no session of XNYS"),
    ],
)
def test_a_jump_that_does_not_wait_is_named_with_those_that_do(
    spark: object, words: tuple[str, str, str], status: int, said: str, tmp_path: Path
) -> None:
    lake = open_context(load_settings()[0], tmp_path).lake
    append(lake, SILVER_ACTIONS, JUMPS)
    result = accept_jump(tmp_path, *words)
    assert (result.exit_code, said in result.output) == (status, True), result.output
    assert not lake.exists(OPS_ACCEPTANCES)


def test_a_jump_of_another_source_is_asked_for_by_its_name(spark: object, tmp_path: Path) -> None:
    append(open_context(load_settings()[0], tmp_path).lake, SILVER_ACTIONS, JUMPS)
    result = accept_jump(tmp_path, "AAA", "2024-01-09", "a takeover bid", "--source", "simulated")
    assert result.exit_code == 78
    assert "in the bars of simulated; there are none; --source files has others" in result.output


def test_a_home_without_prices_has_no_jump_to_accept(tmp_path: Path) -> None:
    result = accept_jump(tmp_path, "AAA", "2024-01-09")
    assert (result.exit_code, "there are none" in result.output) == (78, True), result.output
