"""What a run of curate has to look at, from what was written since the last one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.context import Context
from pipelines.stages.curate.bar_scope import EVERYTHING, BarScope, plan_scope
from pipelines.tables.contracts import BRONZE_ACTIONS, BRONZE_BARS, OPS_ACCEPTANCES, SILVER_ACTIONS
from tests.pipelines.stages.files_home import DAYS, open_files_home, reopen_files_home, run, until
from tests.pipelines.table_rows import append

LAST, NEXT = DAYS[7], DAYS[8]
"""Silver holds eight sessions of three symbols; the next one is new."""


@dataclass(frozen=True)
class Curated:
    """A home after a run of curate, and the definition that it went by."""

    context: Context
    definition: str

    def bars(self, *told: tuple[str, date, str]) -> None:
        """Land records of bars: symbol, session and delivery."""
        symbols, sessions, deliveries = (list(column) for column in zip(*told, strict=True))
        same = {"source": ["files"] * len(told), "ingest_date": [NEXT] * len(told)}
        append(
            self.context.lake,
            BRONZE_BARS,
            {**same, "symbol": symbols, "session_date": sessions, "delivery": deliveries},
        )

    def plan(self) -> BarScope | None:
        """Return what the next run looks at."""
        return plan_scope(self.context, self.definition)


@pytest.fixture(scope="module")
def curated_once(spark: object, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("scope")
    context = open_files_home(folder, until(LAST))
    run(context, "ingest", end=LAST)
    return folder, run(context, "curate", end=LAST).definition or ""


@pytest.fixture
def curated(curated_once: tuple[Path, str], tmp_path: Path) -> Curated:
    folder, definition = curated_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return Curated(reopen_files_home(tmp_path), definition)


def new(*symbols: str) -> BarScope:
    """The scope of the next session, and of some symbols whole: 21 sessions before the last judge it."""
    return BarScope(
        sessions=(LAST, NEXT),
        symbols=frozenset(symbols),
        first=date(2023, 12, 11),
        last=date(2024, 1, 12),
    )


def whole(*symbols: str) -> BarScope:
    return BarScope(sessions=(), symbols=frozenset(symbols))


def test_nothing_new_is_nothing_to_look_at(curated: Curated) -> None:
    assert curated.plan() is None
    curated.bars(("AAA", date(2024, 1, 6), "saturday"))
    assert curated.plan() is None


def test_a_later_session_is_looked_at_with_the_one_before_and_what_judges_them(curated: Curated) -> None:
    curated.bars(("AAA", NEXT, "a"), ("BBB", NEXT, "a"), ("CCC", NEXT, "a"))
    assert curated.plan() == new()


def test_a_session_that_silver_has_reached_touches_its_symbol_whole(curated: Curated) -> None:
    curated.bars(("AAA", NEXT, "a"), ("BBB", LAST, "a"), ("CCC", DAYS[0], "a"))
    assert curated.plan() == new("BBB", "CCC")


def test_a_new_bar_that_two_deliveries_bring_touches_its_symbol_whole(curated: Curated) -> None:
    curated.bars(("AAA", NEXT, "a"), ("AAA", NEXT, "b"), ("BBB", NEXT, "a"))
    assert curated.plan() == new("AAA")


def test_a_new_symbol_is_read_whole(curated: Curated) -> None:
    curated.bars(("AAA", NEXT, "a"), ("DDD", NEXT, "a"))
    assert curated.plan() == new("DDD")


@pytest.mark.parametrize(("back", "symbols"), [(DAYS[9], set()), (DAYS[10], {"AAA"})])
def test_a_symbol_that_comes_back_after_two_sessions_or_more_is_read_whole(
    curated: Curated, back: date, symbols: set[str]
) -> None:
    curated.bars(("AAA", back, "a"))
    found = curated.plan()
    assert found is not None
    assert (found.sessions or ())[-1] == back
    assert found.symbols == symbols


@pytest.mark.parametrize("day", [DAYS[3], date(2024, 6, 3)])
def test_an_action_touches_its_symbol_whole_whenever_it_is(curated: Curated, day: date) -> None:
    values = {"source": ["files"], "symbol": ["BBB"], "session_date": [day], "ingest_date": [NEXT]}
    append(curated.context.lake, BRONZE_ACTIONS, values)
    assert curated.plan() == whole("BBB")


@pytest.mark.parametrize(("symbol", "planned"), [("CCC", whole("CCC")), (None, None)])
def test_a_jump_that_a_person_accepts_touches_its_symbol_and_a_partial_session_none(
    curated: Curated, symbol: str | None, planned: BarScope | None
) -> None:
    values: dict[str, list[Any]] = {"source": ["files"], "symbol": [symbol], "session": [LAST]}
    append(curated.context.lake, OPS_ACCEPTANCES, values | {"kind": ["jump" if symbol else "partial"]})
    assert curated.plan() == planned


@pytest.mark.parametrize(("valid", "symbols"), [(True, ("BBB",)), (False, ())])
def test_a_symbol_whose_jump_waits_is_looked_at_whole_with_whatever_is_new(
    curated: Curated, valid: bool, symbols: tuple[str, ...]
) -> None:
    known_at = [datetime(2024, 1, 12, tzinfo=UTC)]
    values = {"source": ["files"], "symbol": ["BBB"], "session": [LAST], "kind": ["jump"], "valid": [valid]}
    append(curated.context.lake, SILVER_ACTIONS, values | {"known_at": known_at, "month": ["2024-01"]})
    assert curated.plan() is None
    curated.bars(("AAA", NEXT, "a"))
    assert curated.plan() == new(*symbols)


def test_another_definition_and_names_that_no_condition_holds_mean_everything(curated: Curated) -> None:
    assert plan_scope(curated.context, "another") == EVERYTHING
    curated.bars(("A'B", LAST, "a"))
    assert curated.plan() == EVERYTHING


def test_a_scope_is_told_as_conditions() -> None:
    assert (EVERYTHING.of_records(), EVERYTHING.of_rows()) == ("true", "true")
    assert whole("AAA").of_records() == "(false) or symbol in ('AAA')"
    assert "symbol in ('AAA')" in new("AAA").of_rows()
    assert new("AAA").wanted.symbols == {"AAA"}
