from __future__ import annotations

from pathlib import Path

from scripts.dag_pages import PAGE, render_page


def test_the_page_is_current() -> None:
    advice = "docs/dags.md is out of date: run `python -m scripts.dag_pages`"
    assert PAGE.read_text(encoding="utf-8") == render_page(), advice


def test_a_dag_is_one_row_and_one_section(tmp_path: Path) -> None:
    (tmp_path / "hourly.py").write_text('"""Do it.\n\n**Purpose:** a test.\n"""\n', encoding="utf-8")
    settings = tmp_path / "dags.yaml"
    settings.write_text(
        "defaults: {owner: me, deadline_minutes: 5}\n"
        "dags: {hourly: {tags: [tier-1], emits: bars, schedule: {assets: [ticks]}}}\n",
        encoding="utf-8",
    )
    page = render_page(tmp_path, settings)
    assert "| [hourly](#hourly) | on asset `ticks`, same session | `bars` | me | tier-1 | 5 min |" in page
    assert "## hourly\n\nDo it.\n\n**Purpose:** a test.\n" in page
