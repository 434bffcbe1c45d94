"""The record of runs: what a stage consumed last, and under which definition."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from pipelines.base.report import SessionRange, StageReport, Status
from pipelines.base.run_log import CoveredCalendar
from pipelines.io.lake import Lake
from pipelines.io.run_log import RunLog
from pipelines.tables.contracts import OPS_STAGE_RUNS

NOON = datetime(2024, 1, 5, 12, tzinfo=UTC)


def record(log: RunLog, stage: str, version: int, *, day: int, after: int = 0, definition: str = "d") -> None:
    report = StageReport(
        stage=stage, inputs={"silver.bars": version}, definition=definition, details={"why": date(2024, 1, 1)}
    )
    session = date(2024, 1, day)
    at = NOON + timedelta(minutes=after)
    log.record(report, SessionRange(start=session, end=session), started_at=at, finished_at=at)


def test_before_the_first_run_nothing_was_consumed(lake: Lake) -> None:
    log = RunLog(lake)
    assert log.last("curate").inputs == {}
    assert log.last("curate").version_of("silver.bars", "d") is None
    assert log.last_as_of("curate", date(2024, 1, 5)) is None


def test_the_run_that_finished_last_counts_whatever_its_as_of(lake: Lake) -> None:
    log = RunLog(lake)
    record(log, "curate", 3, day=4, after=1)
    record(log, "curate", 5, day=2, after=9)
    record(log, "train", 8, day=3, after=20)
    for reader in (log, RunLog(lake)):
        assert reader.last("curate").version_of("silver.bars", "d") == 5
        assert reader.last("curate").version_of("silver.bars", "another definition") is None
        assert reader.last_as_of("curate", date(2024, 1, 9)) == date(2024, 1, 4)
        assert reader.last_as_of("curate", date(2024, 1, 3)) == date(2024, 1, 2)


def test_what_the_last_run_at_or_before_an_as_of_told_is_found(lake: Lake) -> None:
    log = RunLog(lake)
    sessions = {day: SessionRange(start=date(2024, 1, day), end=date(2024, 1, day)) for day in (2, 3, 4, 5)}

    def trained(day: int, version: str, status: Status = "done") -> None:
        report = StageReport(stage="train", status=status, details={"model_version": version})
        log.record(report, sessions[day], started_at=NOON, finished_at=NOON)

    assert log.last_details("train", date(2024, 1, 9)) is None
    trained(3, "1")
    trained(4, "2")
    trained(2, "1", "unchanged")
    trained(5, "", "nothing_to_do")
    record(log, "curate", 3, day=4)
    assert log.last_details("train", date(2024, 1, 1)) is None
    assert log.last_details("train", date(2024, 1, 9)) == {"model_version": "1"}
    trained(4, "2", "unchanged")
    assert log.last_details("train", date(2024, 1, 9)) == {"model_version": "2"}
    assert log.last_details("train", date(2024, 1, 3)) == {"model_version": "1"}


def test_a_clock_that_steps_back_does_not_change_which_run_was_last(lake: Lake) -> None:
    log = RunLog(lake)
    record(log, "curate", 3, day=4, after=9)
    record(log, "curate", 5, day=2, after=1)
    for reader in (log, RunLog(lake)):
        assert reader.last("curate").inputs == {"silver.bars": 5}
        assert (reader.last_seq(), reader.numbers("curate")) == (2, {1, 2})
    record(log, "curate", 6, day=3, after=5)
    assert RunLog(lake).numbers("curate") == {1, 2, 3}


def test_the_calendar_that_the_last_run_covered_is_told(lake: Lake) -> None:
    log, sessions = RunLog(lake), SessionRange(start=date(2024, 1, 5), end=date(2024, 1, 5))
    assert log.last_calendar("curate") is None
    record(log, "curate", 3, day=4)
    assert log.last_calendar("curate") is None
    covered = CoveredCalendar(first=date(2024, 1, 2), last=date(2024, 1, 5), digest="d", epoch="e")
    report = StageReport(stage="curate", details={"bars": 2})
    log.record(report, sessions, started_at=NOON, finished_at=NOON, calendar=covered)
    for reader in (log, RunLog(lake)):
        assert reader.last_calendar("curate") == covered
        assert reader.last_calendar("build_features") is None


def test_a_log_that_has_read_sees_its_own_records(lake: Lake) -> None:
    log = RunLog(lake)
    assert log.last("curate").inputs == {}
    record(log, "curate", 3, day=4)
    assert log.last("curate").inputs == {"silver.bars": 3}
    rows = lake.collect_query(f"select stage, details from {OPS_STAGE_RUNS.alias}", OPS_STAGE_RUNS)
    assert rows.rows() == [("curate", '{"why": "2024-01-01"}')]
