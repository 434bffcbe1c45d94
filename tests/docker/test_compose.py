"""The production-like stack, as far as it can be checked without a Docker engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.app.secret_settings import VARIABLES
from pipelines.app.settings import load_settings
from pipelines.base.project import PROJECT_ROOT
from scripts.setup import STEPS

FOLDER = PROJECT_ROOT / "docker"
COMPOSE = FOLDER / "compose.yaml"
BUILT_HERE = {"bellwether-work", "bellwether-airflow"}


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


def dockerfile(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8").replace("\\\n", " ")


def environment_example() -> set[str]:
    return set(re.findall(r"^(\w+)=", (FOLDER / ".env.example").read_text(), re.MULTILINE))


def test_the_parts_of_the_stack_are_there(stack: dict[str, Any]) -> None:
    assert set(stack["services"]) == {
        *("work", "postgres", "redis", "minio", "mlflow", "forecasts", "reports"),
        *("airflow-migrate", "airflow-api", "airflow-scheduler", "airflow-dags"),
    }


def test_images_are_built_here_or_named_plainly(stack: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in stack["services"].items()}
    registries = {name: image for name, image in images.items() if "." in image.split("/")[0].split(":")[0]}
    assert registries == {}
    assert set(images.values()) >= BUILT_HERE


def test_every_image_of_ours_is_built_by_one_service(stack: dict[str, Any]) -> None:
    builders = {
        service["image"]: service["build"]["dockerfile"]
        for service in stack["services"].values()
        if "build" in service
    }
    assert builders == {
        "bellwether-work": "docker/Dockerfile.work",
        "bellwether-airflow": "docker/Dockerfile.airflow",
    }
    assert all((PROJECT_ROOT / path).is_file() for path in builders.values())


def test_ports_are_published_on_loopback_only(stack: dict[str, Any]) -> None:
    ports = [port for service in stack["services"].values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_volumes_and_networks_are_declared(stack: dict[str, Any]) -> None:
    for service in stack["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in stack["volumes"] or (FOLDER / source).is_file()
        assert set(service["networks"]) <= set(stack["networks"])


def test_a_service_waits_only_for_what_can_become_ready(stack: dict[str, Any]) -> None:
    services = stack["services"]
    for service in services.values():
        for other, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
            else:
                assert services[other]["restart"] == "no"


def test_every_variable_is_in_the_example_or_has_a_default() -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)(?!\w|:-)", COMPOSE.read_text()))
    assert used <= environment_example()


def test_no_secret_stands_in_a_tracked_file() -> None:
    filled = re.findall(r"^\w+=\S+", (FOLDER / ".env.example").read_text(), re.MULTILINE)
    assert filled == []
    literal = re.findall(r"(?:PASSWORD|SECRET\w*|KEY):\s+(?!\$\{)\S+", COMPOSE.read_text())
    assert literal == []


def test_no_secret_stands_in_a_command_line(stack: dict[str, Any]) -> None:
    """Every account of the machine that runs a container reads the command lines in it."""
    words = {
        name: str([service.get(part) for part in ("entrypoint", "command", "healthcheck")])
        for name, service in stack["services"].items()
    }
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|KEY", re.IGNORECASE)
    assert [name for name, said in words.items() if secret.search(said)] == []


def test_every_command_of_ours_is_given_the_secrets(stack: dict[str, Any]) -> None:
    ours = {name: one for name, one in stack["services"].items() if one["image"] in BUILT_HERE}
    # The lake is a folder here and has its lock in itself. MLflow's server reads no settings of ours.
    needed = set(VARIABLES.values()) - {VARIABLES["lake.lock_database"]}
    assert [name for name, one in ours.items() if not needed <= set(one["environment"])] == ["mlflow"]


def test_the_file_with_the_secrets_is_ignored() -> None:
    done = subprocess.run(["git", "check-ignore", "-q", "docker/.env"], cwd=PROJECT_ROOT, check=False)  # noqa: S607
    assert done.returncode == 0


def test_airflow_migrates_once_before_its_parts_start(stack: dict[str, Any]) -> None:
    for name in ("airflow-api", "airflow-scheduler", "airflow-dags"):
        waits = stack["services"][name]["depends_on"]["airflow-migrate"]
        assert waits == {"condition": "service_completed_successfully"}


def test_the_overlay_of_the_stack_is_valid(stack: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    shutil.copytree(PROJECT_ROOT / "conf", folder)
    for config in stack["services"]["forecasts"]["configs"]:
        source, target = stack["configs"][config["source"]], Path(config["target"])
        text = source["content"] if "content" in source else (FOLDER / source["file"]).read_text()
        assert target.parent.parent.name == "conf"
        (folder / target.parent.name).mkdir(exist_ok=True)
        (folder / target.parent.name / target.name).write_text(text)
    environ = stack["services"]["forecasts"]["environment"]
    settings, _ = load_settings("stack", folder=folder, environ=environ)
    assert settings.feature_store.online == "redis"
    assert settings.tracking.uri == "http://mlflow:5000"


def test_every_command_uses_the_overlay(stack: dict[str, Any]) -> None:
    for name, service in stack["services"].items():
        if service["image"] in BUILT_HERE:
            assert [config["source"] for config in service["configs"]] == ["stack"], name
    assert set(re.findall(r'"--env", "(\w+)"', COMPOSE.read_text())) == {"stack"}


@pytest.mark.parametrize("name", ["Dockerfile.work", "Dockerfile.airflow"])
def test_what_an_image_copies_exists(name: str) -> None:
    for line in re.findall(r"^COPY (.+)$", dockerfile(name), re.MULTILINE):
        *sources, _target = line.split()
        assert [source for source in sources if not (PROJECT_ROOT / source).exists()] == []


@pytest.mark.parametrize("name", ["Dockerfile.work", "Dockerfile.airflow"])
def test_an_image_does_not_run_as_root(name: str) -> None:
    assert re.findall(r"^USER (\w+)$", dockerfile(name), re.MULTILINE)[-1] == "bellwether"


def test_images_call_the_steps_of_setup() -> None:
    called = [
        word
        for name in ("Dockerfile.work", "Dockerfile.airflow")
        for words in re.findall(r"scripts/setup\.py ([a-z ]+)", dockerfile(name))
        for word in words.split()
    ]
    # Redis runs in an image of its own; the step is for tests.
    assert set(called) == set(STEPS) - {"redis"}


def test_what_the_first_steps_of_setup_import_is_copied_before_them() -> None:
    before = dockerfile("Dockerfile.work").split("RUN --mount")[0]
    assert "COPY scripts scripts" in before
    report = (
        "import sys, scripts.setup; print(*(name for name in sys.modules if name.startswith('pipelines')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", report], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    for module in done.stdout.split():
        place = Path(*module.split("."))
        file = place / "__init__.py" if (PROJECT_ROOT / place).is_dir() else place.with_suffix(".py")
        assert f" {file} " in before.replace("\n", " "), f"scripts/setup.py imports {file}"


def test_the_compose_client_accepts_the_file(tmp_path: Path) -> None:
    client = shutil.which("docker")
    if (
        client is None
        or subprocess.run([client, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip(reason="needs the docker compose client")
    values = tmp_path / "values.env"
    values.write_text("".join(f"{name}=x\n" for name in sorted(environment_example())))
    command = [client, "compose", "-f", str(COMPOSE), "--env-file", str(values), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
