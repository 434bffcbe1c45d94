"""A distinct canary in each place that takes a secret, and a search of all that is written or shown."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from features.params import CalendarParams
from pipelines.app.secret_settings import ADDRESSES_WITH_LOGIN
from pipelines.app.settings import Settings, load_settings, secret_keys, typed_keys
from pipelines.app.settings_page import print_settings
from pipelines.base.errors import SettingsError, UnavailableError
from pipelines.base.home import Home
from pipelines.base.project import PROJECT_ROOT
from pipelines.io.tracking import Tracking
from pipelines.registry.model_identity import model_settings
from pipelines.stack.forecast_service import service_settings, write_settings
from pipelines.stack.services import list_services
from serving.params import ServingParams
from serving.settings import ServiceDefaults
from tests.pipelines.stages.files_home import DAYS, deliver, make_bars

MARK = "canary"
OVERLAY: dict[str, Any] = {
    "feature_store": {"connection": "cache:6379,password=canary-connection"},
    "lake": {"lock_database": "postgresql://ann:canary-lock@127.0.0.1:9/x"},
    "tracking": {
        "uri": "http://ann:canary-tracking@127.0.0.1:9",
        "registry_uri": "http://ann:canary-registry@127.0.0.1:9",
    },
    "spark": {
        "options": {
            "spark.hadoop.fs.s3a.access.key": "canary-access",
            "spark.hadoop.fs.s3a.bucket.ours.secret.key": "canary-secret",
            "spark.hadoop.fs.s3a.session.token": "canary-session",
            "spark.ssl.keyPassword": "canary-tls",
        }
    },
}
PLANTED = {f"{section}.{key}" for section, part in OVERLAY.items() for key in part}
RECORDING_JAVA = """#!/bin/sh
{{ printf '%s\\n' "$@"; ps -ww -eo args; }} >> {folder}/seen
exec {java} "$@"
"""
WITH_CONF = """
import sys
from pathlib import Path
from pipelines.app.settings import load_settings
load_settings.__kwdefaults__["folder"] = Path(sys.argv.pop(1))
from pipelines.cli.main import main
main()
"""


def write_conf(folder: Path, overlay: dict[str, Any], **plain: Any) -> Path:
    """Write the project's settings with an overlay of secrets, and one of others, as `mine`."""
    (folder / "mine").mkdir()
    (folder / "base").symlink_to(PROJECT_ROOT / "conf" / "base")
    (folder / "mine" / "plain.yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
    path = folder / "mine" / "secret.yaml"
    path.write_text(yaml.safe_dump(overlay), encoding="utf-8")
    path.chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's settings with an overlay that holds a secret wherever one is taken."""
    folder = tmp_path_factory.mktemp("conf")
    return write_conf(folder, OVERLAY, lake={"root": "s3a://ours/lake"})


@pytest.fixture(scope="module")
def settings(conf: Path) -> Settings:
    return load_settings("mine", folder=conf)[0]


def plain_texts() -> Iterator[str]:
    """Yield every key that takes text, by itself or in a list or mapping."""

    def takes_text(kind: Any) -> bool:
        return kind is str or any(takes_text(part) for part in getattr(kind, "__args__", ()))

    return (key.replace("sources.*", "sources.files") for key, kind in typed_keys() if takes_text(kind))


def test_every_place_that_takes_a_secret_has_a_canary() -> None:
    assert secret_keys() | ADDRESSES_WITH_LOGIN | {"spark.options"} == PLANTED


@pytest.mark.parametrize("key", sorted(set(plain_texts()) - PLANTED))
def test_no_other_text_takes_a_password(key: str, tmp_path: Path) -> None:
    """A new setting takes a login only after it has been planted here."""
    (tmp_path / "base").symlink_to(PROJECT_ROOT / "conf" / "base")
    part: Any = "db://ann:canary-other@host/x"
    for name in reversed(key.split(".")):
        part = {name: part}
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "secret.yaml"
    path.write_text(yaml.safe_dump(part), encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=key) as refused:
        load_settings("mine", folder=tmp_path)
    assert MARK not in str(refused.value)


def test_settings_are_shown_without(conf: Path) -> None:
    printed = print_settings(*load_settings("mine", folder=conf))
    assert MARK not in printed
    assert all(f"\n{key}" in printed for key in PLANTED)


def test_a_bento_and_a_lineage_are_made_without(settings: Settings) -> None:
    calendar = settings.section(CalendarParams)
    defaults = ServiceDefaults(
        serving=settings.section(ServingParams),
        calendar_name=calendar.name,
        decision_lead_minutes=calendar.decision_lead_minutes,
        feature_store=settings.feature_store,
    )
    made = [defaults.without_secrets(), asdict(settings.models), model_settings(settings.models)]
    assert MARK not in json.dumps(made, default=str)
    assert MARK not in repr(settings.feature_store)


def test_services_are_started_without_and_their_file_is_private(settings: Settings, tmp_path: Path) -> None:
    home = Home(tmp_path)
    services = list_services(settings.services, home, ["--env", "mine"])
    assert MARK not in str([(one.command, one.environment) for one in services])
    path = write_settings(service_settings(settings, home), home)
    assert "canary-connection" in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@dataclass(frozen=True)
class Played:
    """What a stage with a JVM wrote, said and showed to other accounts."""

    home: Path
    said: str
    seen: str


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One stage under the overlay, its Java behind a script that notes all command lines of the machine.

    Its lake is a folder, which has its lock in itself.
    """
    folder = tmp_path_factory.mktemp("played")
    overlay = {section: part for section, part in OVERLAY.items() if section != "lake"}
    conf = write_conf(tmp_path_factory.mktemp("conf"), overlay)
    java = folder / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    real = Path(os.environ.get("JAVA_HOME") or PROJECT_ROOT / ".jdk") / "bin" / "java"
    java.write_text(RECORDING_JAVA.format(folder=folder, java=real), encoding="utf-8")
    java.chmod(0o755)
    deliver(folder, make_bars())
    command = [
        sys.executable, "-c", WITH_CONF, str(conf), "ingest", "--bars", str(folder / "drop"), "--verbose",
        "--env", "mine", "--start", str(DAYS[0]), "--end", str(DAYS[-1]), "--home", str(folder / "home"),
        "--clock", "2024-03-01T12:00:00Z", "--set", "sources.files.price_basis=raw",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env={**os.environ, "JAVA_HOME": str(folder / "jdk")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = (folder / "seen").read_text(encoding="utf-8")
    return Played(home=folder / "home", said=done.stdout + done.stderr, seen=seen)


def test_a_stage_writes_and_says_no_secret(played: Played) -> None:
    files = [path for path in played.home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in files)
    assert [path for path in files if MARK.encode() in path.read_bytes()] == []
    assert MARK not in played.said


def test_a_command_line_shows_no_secret(played: Played) -> None:
    assert "org.apache.spark.deploy.SparkSubmit" in played.seen
    assert "--properties-file" in played.seen
    assert MARK not in played.seen


def test_an_mlflow_that_does_not_answer_is_named_without(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracking = Tracking(settings.tracking, tmp_path)
    with pytest.raises(UnavailableError, match=r"MLflow at http://ann:\*+@127\.0\.0\.1:9 does not") as failed:
        tracking.champion()
    assert MARK not in str(failed.value)


def test_spark_listens_on_loopback_alone_and_asks_for_a_secret(spark: Any) -> None:
    conf = dict(spark.sparkContext.getConf().getAll())
    assert (conf["spark.authenticate"], conf["spark.ui.enabled"]) == ("true", "false")
    assert "spark.authenticate.secret" not in conf
    me = psutil.Process()
    family = [me, *me.children(recursive=True)]
    open_ports = [
        one.laddr.ip
        for process in family
        for one in process.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN
    ]
    assert open_ports
    assert set(open_ports) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


PRIVATE = (
    "conf/local.yaml", "conf/local_keys.yaml", "conf/mine/local.yaml", "conf/mine/secret.yaml",
    "conf/mine/zz_secrets.yaml", "conf/secret.yaml", "docker/.env", ".env", "var/airflow/passwords.json",
    "var/run/serving.json", "var-b/airflow/secrets.json",
)  # fmt: skip
"""Where secrets may lie in a checkout."""


def docker_pattern(line: str) -> re.Pattern[str]:
    """Return what a line of a .dockerignore leaves out: paths, and all that lies below them."""
    parts = re.split(r"(\*\*/|\*\*|\*)", line)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts) + "(?:/.*)?")


@pytest.mark.parametrize("path", PRIVATE)
def test_images_and_git_leave_out_where_secrets_lie(path: str) -> None:
    lines = (PROJECT_ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert any(docker_pattern(line).fullmatch(path) for line in lines)
    done = subprocess.run(["git", "check-ignore", "-q", path], cwd=PROJECT_ROOT, check=False)  # noqa: S607
    assert done.returncode == 0


def test_images_take_every_tracked_source() -> None:
    lines = (PROJECT_ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    listing = subprocess.run(
        ["git", "ls-files", "*.py", "conf"],  # noqa: S607
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    patterns = [docker_pattern(line) for line in lines]
    left_out = [one for one in listing.stdout.split() if any(pattern.fullmatch(one) for pattern in patterns)]
    assert left_out == []
