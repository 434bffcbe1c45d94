"""Which sessions of a window the champion may forecast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.errors import LookAheadError, SettingsError
from pipelines.base.report import SessionRange
from pipelines.registry.champion import Champion
from pipelines.stages.forecast.job import choose, describe, run
from tests.pipelines.registry.test_ledger import entry
from tests.pipelines.registry.test_lineage import lineage
from tests.pipelines.stages.files_home import DAYS, make_bars, open_files_home
from tests.pipelines.stages.files_home import run as run_stage_of
from tests.pipelines.stages.forecast.test_steps import MONDAY, TUESDAY, WEDNESDAY

CHAMPION = Champion(
    entry=entry("bootstrap", WEDNESDAY, "3", numbers={"lost": ["ridge"]}), lineage=lineage(), folder=Path()
)
UNTIL = "2018-01-05T21:00:00"


def test_sessions_after_the_fit_are_chosen(open_home: Callable[..., Context], tmp_path: Path) -> None:
    choice = choose(open_home(tmp_path), SessionRange(start=MONDAY, end=TUESDAY), CHAMPION)
    assert choice.sessions == (MONDAY, TUESDAY)


def test_window_that_was_all_seen_is_refused_with_the_way_out(
    open_home: Callable[..., Context], tmp_path: Path
) -> None:
    context = open_home(tmp_path)
    seen = context.calendar.shift(MONDAY, -2)
    with pytest.raises(LookAheadError, match=rf"in-sample.*{UNTIL}.*forecast\.in_sample=true"):
        choose(context, SessionRange(start=seen, end=seen), CHAMPION)
    asked = open_home(tmp_path, "forecast.in_sample=true")
    assert choose(asked, SessionRange(start=seen, end=seen), CHAMPION).in_sample == {seen}


def test_bars_of_another_source_than_the_homes_are_a_mistake_in_the_settings(
    spark: object, tmp_path: Path
) -> None:
    """Without the check the answer would be final: nothing is known of that source's session."""
    home = open_files_home(tmp_path, make_bars())
    run_stage_of(home, "ingest")
    settings, _ = load_settings()
    other = open_context(settings, tmp_path / "home", clock=home.clock)
    with pytest.raises(SettingsError, match="holds bars of files alone"):
        run(other, SessionRange(start=DAYS[-1], end=DAYS[-1]))
    assert run(home, SessionRange(start=DAYS[-1], end=DAYS[-1])).status == "nothing_to_do"


def test_report_names_what_the_champion_lost(open_home: Callable[..., Context], tmp_path: Path) -> None:
    details = describe(
        CHAMPION, choose(open_home(tmp_path), SessionRange(start=MONDAY, end=TUESDAY), CHAMPION)
    )
    assert details["champion"] == "version 3 (bootstrap as of 2018-01-10; lost to: ridge)"
    assert (details["lost"], details["sessions"], details["in_sample_refused"]) == (["ridge"], 2, 0)
