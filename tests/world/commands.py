"""The command line as an operator meets it: words in, an exit code and lines out, and nothing else."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.main import main
from pipelines.io.run_log import RunLog


class StruckDown(RuntimeError):
    """What a run dies of between its last data commit and the row that closes it."""


@dataclass(frozen=True)
class Answer:
    """How a command ended.

    Attributes
    ----------
    exit_code : int
    line : dict
        Last line of its stdout, read as JSON; empty where it printed none.
    said : str
        All that it wrote, for a person.
    """

    exit_code: int
    line: dict[str, Any]
    said: str


@dataclass(frozen=True)
class Home:
    """One home, the options that each of its commands is given, and a count of what was run."""

    folder: Path
    options: tuple[str, ...]
    runs: list[tuple[str, int]] = field(default_factory=list)

    def run(self, *words: str, clock: datetime, more: tuple[str, ...] = ()) -> Answer:
        """Run a stage command under a clock."""
        return self._invoke(*words, *self.options, *more, "--clock", clock.isoformat())

    def ingest(self, day: date, clock: datetime) -> Answer:
        """Do what `ingest_daily` does for its key: ingest, and curate where that ended well."""
        return self.run("run", "--stages", "ingest,curate", "--as-of", str(day), clock=clock)

    def load(self, first: date, last: date, clock: datetime) -> Answer:
        """Do what `load_history` does up to the silver tables."""
        words = ("run", "--stages", "ingest,curate", "--start", str(first), "--end", str(last))
        return self.run(*words, clock=clock)

    def curate(self, day: date, clock: datetime) -> Answer:
        """Curate what has been landed, as the next good run would."""
        return self.run("curate", "--as-of", str(day), clock=clock)

    def show(self, table: str, *filters: str) -> pl.DataFrame:
        """Return all rows of a table, every column as text; no column where there is no table yet."""
        answer = self._invoke("show", table, *filters, "--limit", "0", "--format", "csv")
        if answer.exit_code != 0 or not answer.said.strip():
            return pl.DataFrame()
        return pl.read_csv(io.StringIO(answer.said.strip()), infer_schema=False)

    def audit(self, session: date) -> dict[str, Any]:
        """Return what the home says of the forecasts of a session."""
        answer = self._invoke("audit", "--session", str(session), *self.options)
        assert answer.exit_code == 0, answer.said
        return dict(json.loads(answer.said))

    def _invoke(self, *words: str) -> Answer:
        result = CliRunner().invoke(main, [*words, "--home", str(self.folder)])
        self.runs.append((words[0], result.exit_code))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            if isinstance(result.exception, StruckDown):
                return Answer(exit_code=1, line={}, said=str(result.exception))
            raise result.exception
        lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
        said = result.stdout if result.exit_code == 0 else result.output
        return Answer(exit_code=result.exit_code, line=_read(lines), said=said)


def _read(lines: list[str]) -> dict[str, Any]:
    """Return the last line that is JSON."""
    try:
        return dict(json.loads(lines[-1])) if lines else {}
    except json.JSONDecodeError:
        return {}


def strike_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next stage run die when all its data are committed and its closing row is not."""
    record = RunLog.record
    struck: list[bool] = []

    def die_first(log: RunLog, *words: Any, **more: Any) -> None:
        if struck:
            record(log, *words, **more)
            return
        struck.append(True)
        msg = "struck before the closing row"
        raise StruckDown(msg)

    monkeypatch.setattr(RunLog, "record", die_first)
