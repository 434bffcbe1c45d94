"""One line a prerequisite, with the fix where one is missing."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.app import doctor
from pipelines.app.doctor import Check


@pytest.fixture
def busy_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_line_holds_status_name_finding_and_fix() -> None:
    check = Check(name="java", status="missing", found="none", fix="`make setup`")
    assert check.line() == "missing  java         none  → `make setup`"
    assert not check.ok


@pytest.mark.parametrize("status", ["ok", "note"])
def test_a_note_does_not_keep_the_platform_from_running(status: doctor.Status) -> None:
    assert Check(name="gpu", status=status, found="none").ok


@pytest.mark.parametrize(("version", "status"), [((3, 10), "missing"), ((3, 11), "ok"), ((3, 13), "ok")])
def test_python(version: tuple[int, int], status: str) -> None:
    assert doctor.check_python(version).status == status


def test_java_that_is_not_there_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "candidate_homes", lambda _root, _home: iter([tmp_path]))
    check = doctor.check_java(tmp_path)
    assert check.found == "no Java 17 or later with the module jdk.incubator.vector"
    assert not check.ok


def test_jars(tmp_path: Path) -> None:
    assert not doctor.check_jars(tmp_path).ok
    (tmp_path / "io.delta_delta-spark_4.2_2.13-4.4.0.jar").touch()
    assert doctor.check_jars(tmp_path).found == "delta-spark_4.2_2.13-4.4.0"


def test_airflow_is_needed_for_the_scheduler_only(tmp_path: Path) -> None:
    assert doctor.check_airflow(tmp_path).status == "note"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "airflow").touch()
    assert doctor.check_airflow(tmp_path).status == "ok"


def test_a_home_is_created_and_left_empty(tmp_path: Path) -> None:
    assert doctor.check_home(tmp_path / "deep" / "home").ok
    assert list((tmp_path / "deep" / "home").iterdir()) == []


def test_a_home_below_a_file_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check = doctor.check_home(tmp_path / "file" / "home")
    assert not check.ok
    assert check.fix == "choose another folder with --home, or mend its permissions"


def test_disk_is_measured_where_the_home_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        doctor.shutil,
        "disk_usage",
        lambda folder: seen.append(folder) or SimpleNamespace(free=3 * doctor.GIB),
    )
    check = doctor.check_disk(tmp_path / "not" / "yet")
    assert seen == [tmp_path]
    assert (check.status, check.found) == ("note", "3.0 GiB free, 10 advised")


def test_memory() -> None:
    assert doctor.check_memory(8 * doctor.GIB).found == "8 GiB free"
    assert doctor.check_memory(2 * doctor.GIB).status == "note"


def test_the_calendar_says_how_far_it_reaches() -> None:
    check = doctor.check_calendar("XNYS")
    assert check.ok
    assert check.found.startswith("XNYS, sessions to 20")


def test_an_unknown_calendar_names_the_fix() -> None:
    check = doctor.check_calendar("XNYZ")
    assert not check.ok
    assert "such as XNYS" in check.fix


def test_a_port_in_use_is_named_with_its_setting(busy_port: int) -> None:
    (check,) = doctor.check_ports({"mlflow_port": busy_port}, "127.0.0.1")
    assert check.found == "in use, wanted for mlflow"
    assert "services.mlflow_port" in check.fix
    assert check.ok


def test_a_gpu_is_never_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda _name: None)
    assert doctor.check_gpu() == Check(name="gpu", status="note", found="none; models train on the CPU")


def test_all_checks_come_in_the_order_to_mend_them(tmp_path: Path) -> None:
    settings = SimpleNamespace(
        spark=SimpleNamespace(jar_folder=str(tmp_path)),
        calendar=SimpleNamespace(name="XNYS"),
        services=SimpleNamespace(
            host="127.0.0.1", airflow_environment=".venv-airflow", ports=lambda: {"mlflow_port": 1}
        ),
    )
    names = [check.name for check in doctor.run_checks(settings, tmp_path)]
    assert names == [
        *("python", "java", "delta jars", "airflow", "home", "disk", "memory", "calendar", "port 1", "gpu"),
    ]
