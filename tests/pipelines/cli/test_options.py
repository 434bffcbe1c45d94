from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.errors import SettingsError
from pipelines.base.report import SessionRange
from pipelines.cli.clock import FileClock, FixedClock, parse_clock
from pipelines.cli.main import main
from pipelines.cli.options import Request, resolve_sessions, with_source

REQUEST = Request(home=Path("h"), env="local", overrides=("spark.master=local[1]",), clock=None)
FILES = ('feeds.bars="files"', 'feeds.texts="files"')


def test_stages_see_the_settings_of_the_command_line() -> None:
    assert REQUEST.for_stages() == ["--env", "local", "--set", "spark.master=local[1]"]


def test_a_setting_without_a_value_is_not_overridden() -> None:
    request = REQUEST.overriding({"models.family": "xgboost", "feeds.bars": None})
    assert request.overrides == ("spark.master=local[1]", 'models.family="xgboost"')


def written(**options: str) -> tuple[str, ...]:
    given: dict[str, str | None] = {"source": None, "bars": None, "actions": None, "texts": None}
    return with_source(REQUEST, **given | options).overrides[1:]


def test_bars_select_the_files_and_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bars.csv").touch()
    assert written(bars="own/*.csv") == (*FILES, f'sources.files.bars="{tmp_path}/own/*.csv"')


def test_a_source_that_is_named_takes_the_places(tmp_path: Path) -> None:
    assert written(source="vendor", bars=str(tmp_path), texts="s3a://news/*.parquet") == (
        'feeds.bars="vendor"',
        'feeds.texts="vendor"',
        f'sources.vendor.bars="{tmp_path}"',
        'sources.vendor.texts="s3a://news/*.parquet"',
    )
    assert written(source="simulated") == ('feeds.bars="simulated"', 'feeds.texts="simulated"')


def test_texts_alone_leave_the_bars_where_they_come_from(tmp_path: Path) -> None:
    assert written(texts=str(tmp_path)) == ('feeds.texts="files"', f'sources.files.texts="{tmp_path}"')


def test_actions_leave_everything_else_where_it_comes_from(tmp_path: Path) -> None:
    place = f'sources.files.actions="{tmp_path}"'
    assert written(actions=str(tmp_path)) == ('feeds.actions="files"', place)
    assert written(source="vendor", actions="s3a://feed/actions") == (
        'feeds.bars="vendor"',
        'feeds.actions="vendor"',
        'feeds.texts="vendor"',
        'sources.vendor.actions="s3a://feed/actions"',
    )


def test_bars_that_are_not_there_are_named_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--bars .*bars\.csv: there is no such file"):
        written(bars=str(tmp_path / "bars.csv"))


def test_without_a_source_nothing_changes() -> None:
    assert with_source(REQUEST, source=None, bars=None, actions=None, texts=None) == REQUEST


def test_addresses_of_other_file_systems_stay_as_they_are() -> None:
    assert written(bars="s3a://feed/bars") == (*FILES, 'sources.files.bars="s3a://feed/bars"')


def resolved(now: datetime, **asked: date | None) -> SessionRange:
    context = open_context(load_settings()[0], Path("h"), clock=lambda: now)
    return resolve_sessions(context, **{"as_of": None, "start": None, "end": None} | asked)


CUT = datetime(2018, 2, 8, 3, tzinfo=UTC)
"""22:00 in New York on Wednesday 7 February 2018."""


@pytest.mark.parametrize(
    ("now", "session"),
    [(CUT, date(2018, 2, 7)), (CUT - timedelta(microseconds=1), date(2018, 2, 6))],
    ids=["at the cut", "just before it"],
)
def test_without_a_session_it_is_that_of_the_last_cut(now: datetime, session: date) -> None:
    assert resolved(now) == SessionRange(start=session, end=session)


def test_start_or_end_ask_for_a_history(tmp_path: Path) -> None:
    first, last = date(2018, 2, 5), date(2018, 2, 7)
    assert resolved(CUT, start=first) == SessionRange(start=first, end=last, history=True)
    assert resolved(CUT, end=first) == SessionRange(start=first, end=first, history=True)
    assert not resolved(CUT, as_of=first).history


def clock_of(text: str) -> FixedClock | FileClock:
    found = parse_clock(click.Context(main), click.Option(["--clock"]), text)
    assert found is not None
    return found


def test_a_clock_in_a_file_is_read_at_each_look(tmp_path: Path) -> None:
    file = tmp_path / "now"
    clock = clock_of(f"@{file}")
    for said, instant in (
        ("2018-02-07T22:00:00-05:00", CUT),
        ("2018-02-08T04:00\n", CUT + timedelta(hours=1)),
    ):
        file.write_text(said, encoding="utf-8")
        assert clock() == instant


def test_an_instant_with_an_offset_is_one_in_utc() -> None:
    assert clock_of("2018-02-07T22:00:00-05:00")().isoformat() == "2018-02-08T03:00:00+00:00"


@pytest.mark.parametrize("said", [None, "", "tomorrow"])
def test_a_clock_file_without_an_instant_is_named(said: str | None, tmp_path: Path) -> None:
    file = tmp_path / "now"
    if said is not None:
        file.write_text(said, encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"--clock @{file}: .*it must hold one instant"):
        clock_of(f"@{file}")()


def test_stages_are_handed_a_clock_of_a_file_alone(tmp_path: Path) -> None:
    fixed = replace(REQUEST, clock=clock_of("2018-02-08T03:00:00"))
    assert fixed.for_stages() == REQUEST.for_stages()
    moved = replace(REQUEST, clock=clock_of(f"@{tmp_path}/now"))
    assert moved.for_stages() == [*REQUEST.for_stages(), "--clock", f"@{tmp_path}/now"]
