"""Every small file of a home, torn as a power cut tears it, before the commands that read it.

A command either does without the file or writes it anew, or it ends with a message that names the file and
the command that mends it; never with a traceback. After the command that mends it the file is whole.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.report import SessionRange
from pipelines.cli.main import main
from pipelines.registry.champion import tracking_of
from pipelines.registry.model_description import IMPORTANCE_FILE
from pipelines.stack import forecast_service, lifecycle
from pipelines.stack.params import ServicesParams
from pipelines.tables.contracts import GOLD_LABELS
from serving.settings import read_settings
from tests.gold_tables import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT
from tests.pipelines.champions import issue, make_champion
from tests.pipelines.conftest import NOON, SMALL_MODEL
from tests.pipelines.synthetic_gold import append_rows, make_gold

SETTINGS = (
    *SMALL_MODEL,
    "monitor.reference_sessions=16",
    "monitor.min_reference_sessions=15",
    "monitor.current_sessions=3",
    "monitor.top_features=2",
    "lake.lock_timeout_seconds=0.0",
)
WRECKS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "garbage": lambda whole: b"\xff\x00" * (len(whole) // 2),
}
"""What a power cut leaves: a name without bytes, a part of them, blocks that were never written."""
READERS: dict[str, tuple[str, ...]] = {
    "feast/registry.db": ("materialize", "status", "install", "forecast"),
    "feast/applied.json": ("materialize", "install"),
    "feast/published.json": ("materialize", "status", "install", "forecast"),
    "feast/symbols.json": ("materialize", "install"),
    "feast/refused.json": ("materialize", "install"),
    "feast/feature_store.yaml": ("materialize",),
    "feast/definitions.py": ("materialize",),
    "bento/current.json": ("status", "install", "forecast", "materialize"),
    "bento/champion/manifest.json": ("status", "install", "forecast"),
    "bento/bento.yaml": ("status", "install"),
    "reports/AS_OF.json": ("status", "monitor"),
    "run/services.json": ("status", "install", "forecast", "up", "down"),
    "run/serving.json": ("serve",),
    "airflow/passwords.json": ("up",),
    "airflow/secrets.json": ("up",),
}
"""Each small file and the commands that read it."""
MENDED_BY = {"feast": "materialize", "bento": "install", "reports": "monitor", "airflow": "up"}
NOT_SMALL = re.compile(
    r"lake/|mlflow/|.*\.(lock|html|db-wal|db-shm)$|run/spark/|feast/online\.db$|bento/bentos/"
)
"""Tables and databases, which have logs of their own; models, whose digests are compared; pages."""


@dataclass(frozen=True)
class TornHome:
    """A home whose small files are known."""

    folder: Path
    as_of: date
    whole: dict[str, bytes]

    def path(self, name: str) -> Path:
        """The file that a name of `READERS` stands for."""
        if name.startswith("bento/") and name != "bento/current.json":
            (bento,) = (self.folder / "bento" / "bentos" / "bellwether").glob("v*")
            below = "src" if "/champion/" in name else "."
            return bento / below / name.removeprefix("bento/")
        return self.folder / name.replace("AS_OF", str(self.as_of))

    def tell(self, command: str) -> Result:
        """Run a command on the home in this process."""
        words = [word for setting in SETTINGS for word in ("--set", setting)]
        day = [] if command in ("status", "up", "down", "serve") else ["--as-of", str(self.as_of)]
        clock = ["--clock", NOON.isoformat()] if command != "serve" else []
        return CliRunner().invoke(main, [command, "--home", str(self.folder), *words, *day, *clock])


@pytest.fixture(scope="module")
def home(open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory) -> TornHome:
    """A home with a champion that is installed, a report, and what a stack has left."""
    context, gold = open_home(tmp_path_factory.mktemp("torn"), *SETTINGS), make_gold(sessions=24)
    append_rows(context.lake, GOLD_FEATURES_DAILY, gold.daily)
    append_rows(context.lake, GOLD_FEATURES_TEXT, gold.text)
    append_rows(context.lake, GOLD_LABELS, gold.labels)
    as_of = gold.sessions[-1]
    sessions = SessionRange(start=as_of, end=as_of)
    run_stage(context, "materialize", sessions)
    issue(context, make_champion(context, "1", gold.sessions[-3], recorded=True), gold, as_of)
    kept = tmp_path_factory.mktemp("kept")
    (kept / IMPORTANCE_FILE).write_text("{}", encoding="utf-8")
    tracking_of(context).log_folder(tracking_of(context).version("1").run_id, kept)
    for stage in ("install", "monitor"):
        run_stage(context, stage, sessions)
    place = context.home
    lifecycle.read_password(place.airflow)
    lifecycle.airflow_environment(context.params(ServicesParams), place.airflow)
    forecast_service.write_settings(forecast_service.service_settings(context.settings, place), place)
    lifecycle._write_record(place, lifecycle.Stack(mark="m", arguments=("--env", "local")))
    (place.feast / "refused.json").write_text('{"k": "why"}', encoding="utf-8")
    small = [path for path in place.root.rglob("*") if path.is_file()]
    made = TornHome(folder=place.root, as_of=as_of, whole={})
    named = {str(made.path(name).relative_to(place.root)) for name in READERS}
    found = {str(path.relative_to(place.root)) for path in small}
    made.whole.update({name: (place.root / name).read_bytes() for name in named & found})
    return made


@pytest.fixture(autouse=True)
def restored(home: TornHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No service is started, and every file is whole again after a test."""
    monkeypatch.setattr(lifecycle, "list_services", lambda *_: [])
    monkeypatch.setattr(lifecycle, "migrate_database", lambda *_: None)
    monkeypatch.setattr(forecast_service.os, "execve", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    yield
    for name, content in home.whole.items():
        (home.folder / name).write_bytes(content)


def test_every_small_file_of_the_home_is_named(home: TornHome) -> None:
    """A new one is torn here too, or belongs to what keeps its own files whole."""
    there = {path.relative_to(home.folder).as_posix() for path in home.folder.rglob("*") if path.is_file()}
    small = {name for name in there if not NOT_SMALL.match(name)}
    assert small == {name for name in home.whole if not name.startswith("bento/bentos/")}
    assert {str(home.path(name).relative_to(home.folder)) for name in READERS} == set(home.whole)


def assert_understood(result: Result, path: Path) -> None:
    """Refuse a traceback, and a failure that does not name the file and what mends it."""
    unexpected = result.exception if not isinstance(result.exception, SystemExit) else None
    assert unexpected is None, f"{path.name}: {unexpected!r}"
    if result.exit_code not in (0, 99):
        assert path.name in result.output, result.output
        assert "bellwether " in result.output, result.output


@pytest.mark.parametrize("wreck", WRECKS)
@pytest.mark.parametrize("name", READERS)
def test_a_torn_file_is_mended_or_named(home: TornHome, name: str, wreck: str) -> None:
    path = home.path(name)
    whole = path.read_bytes()
    for command in READERS[name]:
        path.write_bytes(WRECKS[wreck](whole))
        assert_understood(home.tell(command), path)
    mender = MENDED_BY.get(name.partition("/")[0])
    if mender is not None:
        path.write_bytes(WRECKS[wreck](whole))
        assert home.tell(mender).exit_code == 0
        assert path.read_bytes() not in (WRECKS[wreck](whole), b"")


@pytest.mark.parametrize("wreck", WRECKS)
def test_a_service_names_its_torn_settings_and_not_what_they_hold(home: TornHome, wreck: str) -> None:
    path = home.folder / "run" / "serving.json"
    path.write_bytes(WRECKS[wreck](path.read_bytes()))
    with pytest.raises(ValueError, match=r"serving\.json is torn .*; `bellwether serve` and") as named:
        read_settings(path)
    assert named.value.__cause__ is None
    assert home.tell("serve").exit_code == 0
    assert json.loads(path.read_text(encoding="utf-8"))["feature_store"]["online"] == "sqlite"


def test_a_torn_registry_is_named_by_its_reader(home: TornHome) -> None:
    from serving.online.feast_store import FeastOnlineStore

    path = home.folder / "feast" / "registry.db"
    whole = path.read_bytes()
    params: Any = read_settings(home.folder / "run" / "serving.json").feature_store
    for wreck in WRECKS.values():
        path.write_bytes(wreck(whole))
        with pytest.raises(ValueError, match=r"torn registry\.db .*bellwether materialize"):
            FeastOnlineStore(params, path.parent).read_view("features_daily", ["S00"])
