"""Every program of the benchmarks can still be imported; what it measures is measured by hand."""

from importlib import import_module

import pytest

from pipelines.base.project import PROJECT_ROOT

MODULES = sorted(path.stem for path in (PROJECT_ROOT / "benchmarks").glob("*.py"))
PEERS = {"qlib_factors"}
"""Run under another environment's Python, and import what is installed there alone."""


@pytest.mark.parametrize("name", [name for name in MODULES if name not in PEERS])
def test_a_program_imports(name):
    module = import_module(f"benchmarks.{name}")
    assert module.__doc__


def test_every_program_has_its_row_in_the_readme():
    told = (PROJECT_ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    programs = {name for name in MODULES if hasattr(import_module(f"benchmarks.{name}"), "RESULT")}
    assert {name for name in programs if f"`{name}.py`" not in told} == set()
