"""What every tracked file must keep: no address of one machine or registry, no oversized file or function."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.base.project import PROJECT_ROOT

PACKAGES = ("dags", "feature_repo", "features", "models", "pipelines", "scripts", "serving", "simulation")
MAXIMUM_FILE_LINES = 400
MAXIMUM_FUNCTION_LINES = 60
MAXIMUM_FILE_KIB = 1024
SHARED_NAMES = {
    "__init__.py",
    "__main__.py",
    "job.py",  # a stage's run
    "steps.py",  # a stage's pure steps
    "params.py",  # the parameters of a stage or a package
    "base.py",  # what all kinds of a package are: its protocol
    "lake.py",  # the protocol in base, what answers it in io
    "run_log.py",  # likewise
    "frames.py",  # likewise: the types, and the work on them
    "settings.py",  # how the settings of a program are read: the commands', the service's
    "setup.py",  # what is done once, before the checkout (scripts) or a worker (serving) can be used
}
"""File names that several modules may have, because each is the same thing of another stage or room."""

# Written in pieces, so that this file does not break its own rule.
REGISTRY_HOSTS = re.compile(
    "|".join(
        (
            r"pypi" + r"\.org",
            r"python" + r"hosted\.org",
            r"repo1?\.maven" + r"\.(?:org|apache\.org)",
            r"registry\.npm" + r"js",
            r"deb\.debian" + r"\.org",
            r"archive\.ubuntu" + r"\.com",
            r"proxy\.golang" + r"\.org",
            r"crates" + r"\.io",
            r"(?:docker|ghcr|quay)" + r"\.io/",
        )
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.~$/}-])/(?:work|farm|root|home/\w+|Users/\w+)/")
INDEX_OPTIONS = re.compile(r"^\s*(?:--?(?:i|f|index-url|extra-index-url|find-links|trusted-host)\b|.*://)")


def tracked_files() -> Iterator[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = (PROJECT_ROOT / name for name in listing.stdout.split("\0") if name)
    return (path for path in found if path.is_file())


def text_of(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", errors="replace")


def places(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(PROJECT_ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked_files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if pattern.search(line)
    ]


def python_files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((PROJECT_ROOT / package).rglob("*.py"))]


def long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
            if lines > MAXIMUM_FUNCTION_LINES:
                yield f"{path.relative_to(PROJECT_ROOT)}:{node.lineno}: {node.name} has {lines} lines"


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0


def test_no_file_names_a_package_registry() -> None:
    assert places(REGISTRY_HOSTS) == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    assert places(MACHINE_PATHS) == []


@pytest.mark.parametrize("folder", ["work", "farm", "root", "home/ann", "Users/ann"])
@pytest.mark.parametrize("line", ["cd /{}/main", "path=/{}/lake", '"/{}/lake"'])
def test_machine_paths_are_recognised(line: str, folder: str) -> None:
    assert MACHINE_PATHS.search(line.format(folder))


@pytest.mark.parametrize(
    "line", ["/opt/bellwether", "{root}/pipelines", "docs/work/list.md", "s3a://home/ann/x"]
)
def test_other_paths_are_left_alone(line: str) -> None:
    assert not MACHINE_PATHS.search(line)


def test_requirements_name_no_index() -> None:
    lines = [
        f"{path.name}: {line}"
        for path in sorted((PROJECT_ROOT / "requirements").iterdir())
        for line in text_of(path).splitlines()
        if not line.lstrip().startswith("#") and INDEX_OPTIONS.search(line)
    ]
    assert lines == []


def test_compiled_requirements_pin_every_package() -> None:
    loose = [
        f"{path.name}: {line}"
        for path in sorted((PROJECT_ROOT / "requirements").glob("*.txt"))
        for line in text_of(path).splitlines()
        if line and not line.lstrip().startswith("#") and "==" not in line
    ]
    assert loose == []


def test_files_stay_readable() -> None:
    lengths = {path: len(text_of(path).splitlines()) for path in python_files()}
    long = [f"{path.relative_to(PROJECT_ROOT)}: {n}" for path, n in lengths.items() if n > MAXIMUM_FILE_LINES]
    assert long == []


def test_functions_stay_readable() -> None:
    assert [line for path in python_files() for line in long_functions(path)] == []


def test_two_modules_of_one_name_are_the_same_thing_twice() -> None:
    places: dict[str, list[str]] = {}
    for path in python_files():
        if path.name not in SHARED_NAMES:
            places.setdefault(path.name, []).append(str(path.relative_to(PROJECT_ROOT)))
    assert [", ".join(found) for found in places.values() if len(found) > 1] == []


def test_no_large_file_is_tracked() -> None:
    sizes = {path: path.stat().st_size // 1024 for path in tracked_files()}
    assert [
        f"{path.relative_to(PROJECT_ROOT)}: {n} KiB" for path, n in sizes.items() if n > MAXIMUM_FILE_KIB
    ] == []


def test_documents_link_to_files_that_exist() -> None:
    broken = [
        f"{page.relative_to(PROJECT_ROOT)} → {target}"
        for page in tracked_files()
        if page.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)", text_of(page))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_ci_runs_the_readme_commands_and_nothing_else() -> None:
    commands = re.findall(r"^make .+$", text_of(PROJECT_ROOT / ".ci" / "run"), re.MULTILINE)
    assert commands == ["make setup", "make check", "make test"]
    workflow = text_of(PROJECT_ROOT / ".github" / "workflows" / "ci.yml")
    assert re.findall(r"- run: (.+)", workflow) == [".ci/run"]


def test_every_dag_has_its_runbook() -> None:
    dags = {path.stem for path in (PROJECT_ROOT / "dags").glob("*.py")} - {"__init__"}
    runbooks = {path.stem for path in (PROJECT_ROOT / "docs" / "runbooks").glob("*.md")} - {"README"}
    assert dags == runbooks


def test_every_decision_has_status_date_alternatives_and_costs() -> None:
    folder = PROJECT_ROOT / "docs" / "adr"
    listed = text_of(folder / "README.md")
    for page in sorted(folder.glob("0*.md")):
        text = text_of(page)
        assert re.search(r"^\*\*Status\.\*\* .* on \d{4}-\d{2}-\d{2}\b", text, re.MULTILINE), page.name
        for heading in ("Decided", "Why", "Alternatives", "Costs"):
            assert re.search(rf"^\*\*{heading}\b", text, re.MULTILINE), f"{page.name} lacks {heading}"
        assert f"({page.name})" in listed, page.name


def test_bare_make_lists_every_target() -> None:
    listing = subprocess.run(["make"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    listed = set(re.findall(r"^  make (\S+)", listing, re.MULTILINE))
    declared = re.search(r"^\.PHONY: (.+)$", text_of(PROJECT_ROOT / "Makefile"), re.MULTILINE)
    assert declared is not None
    assert listed == set(declared.group(1).split())


def test_every_overlay_survives_a_clone() -> None:
    overlays = {
        path.parts[-2]
        for path in tracked_files()
        if path.is_relative_to(PROJECT_ROOT / "conf") and path.suffix == ".yaml"
    }
    assert {"base", "local", "staging", "prod"} <= overlays, "git keeps no empty folder: put a file into it"
