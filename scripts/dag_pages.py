"""Writes `docs/dags.md` from the docstrings of the DAG files and `conf/dags.yaml`."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.base.project import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "dags.md"
HEADER = """# DAGs

Made of `dags/*.py` and `conf/dags.yaml`; change those, then run `python -m scripts.dag_pages`.

| dag | runs | emits | owner | tags | late after |
|---|---|---|---|---|---|
"""


def render_page(
    folder: Path = PROJECT_ROOT / "dags", settings: Path = PROJECT_ROOT / "conf" / "dags.yaml"
) -> str:
    """Return the page: one table of all DAGs, then the runbook of each."""
    content = yaml.safe_load(settings.read_text(encoding="utf-8"))
    dags = {name: {**content["defaults"], **own} for name, own in content["dags"].items()}
    rows = "\n".join(_row(name, dag) for name, dag in dags.items())
    return f"{HEADER}{rows}\n\n" + "\n".join(_runbook(folder / f"{name}.py") for name in dags)


def _row(name: str, dag: Mapping[str, Any]) -> str:
    emits = f"`{dag['emits']}`" if "emits" in dag else ""
    tags = ", ".join(dag["tags"])
    cells = (f"[{name}](#{name})", _when(dag.get("schedule")), emits, dag["owner"], tags)
    return f"| {' | '.join(cells)} | {dag['deadline_minutes']} min |"


def _when(schedule: Mapping[str, Any] | None) -> str:
    if not schedule:
        return "by hand"
    if "assets" in schedule:
        return f"on asset {', '.join(f'`{name}`' for name in schedule['assets'])}, same session"
    kind = ", one partition a session" if "key_format" in schedule else ""
    return f"`{schedule['cron']}` {schedule['timezone']}{kind}"


def _runbook(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return (
        f"## {path.stem}\n\n{text}\n\n**Step by step:** [runbooks/{path.stem}.md](runbooks/{path.stem}.md)\n"
    )


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
