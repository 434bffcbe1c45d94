"""The catalog by command, and what a change of code does to values, over commits of a copy of the package."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from features.code_digest import feature_digest
from features.views import VIEWS, all_features
from pipelines.app.settings import load_settings
from pipelines.base.project import PROJECT_ROOT
from pipelines.cli.main import main

CORE = load_settings()[0].features.sets["core"]
RECORDED = PROJECT_ROOT / "tests" / "compatibility" / "home-d76d8ce.tar.gz"
CHANGE = """
from dataclasses import replace as _replace


def _revised(one):
    if one.name == {changed!r}:
        return _replace(one, expression=one.expression * 2)
    if one.name == {renamed!r}:
        return _replace(one, name=one.name + "_new")
    if one.name == {reworded!r}:
        return _replace(one, definition="the same in other words")
    return one


FEATURES = tuple(_revised(one) for one in FEATURES)
"""
FORGETFUL = """
_true_digest = feature_digest


def feature_digest(name):
    return "0" * 16 if name == "vol_range_1d" else _true_digest(name)
"""


def bellwether(*command: str) -> Result:
    return CliRunner().invoke(main, ["features", *command])


def listed(*command: str) -> list[dict[str, Any]]:
    result = bellwether("list", "--json", *command)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def test_every_feature_is_listed_in_the_order_of_the_views() -> None:
    rows = listed()
    assert [row["feature"] for row in rows] == [feature.name for feature in all_features()]
    assert rows[0] == {
        "feature": "mom_return_1d", "view": "features_daily", "family": "mom", "unit": "fraction",
        "lookback_sessions": 2, "alignment": "close", "level": "symbol", "sets": "core",
    }  # fmt: skip


def test_filters_choose_by_view_set_and_family() -> None:
    text = [row["feature"] for row in listed("--view", "features_text")]
    assert text == list(VIEWS["features_text"].feature_names)
    few = ("--set", "features.sets.few=[vol_range_1d, mom_return_5d]")
    assert [row["feature"] for row in listed("--in-set", "few", *few)] == ["mom_return_5d", "vol_range_1d"]
    assert [row["sets"] for row in listed("--in-set", "few", *few)] == ["core, few"] * 2
    assert {row["family"] for row in listed("--family", "osc")} == {"osc"}
    assert {row["feature"] for row in listed("--in-set", "core")} == set(CORE)


def test_a_list_is_rendered_as_other_rows_are(tmp_path: Path) -> None:
    printed = bellwether("list", "--family", "tail", "--format", "csv").stdout
    assert pl.read_csv(io.StringIO(printed))["feature"][0] == "tail_max_return_20d"
    written = bellwether("list", "--format", "parquet", "--to", str(tmp_path / "all.parquet"))
    assert written.stdout.startswith(f"{len(all_features())} rows written to")


def test_a_page_tells_all_that_is_known_of_a_feature() -> None:
    page = bellwether("show", "xs_z_mom_return_5d").stdout
    for said in (
        "(mom_return_5d − mean) / std", "look-back   6 sessions", "level       session: reads rows of all",
        "at the close of its session (close)", "inputs      mom_return_5d", "Grinold and Kahn",
        "features_daily, table gold.features_daily, built from bars", "sets        core",
        feature_digest("xs_z_mom_return_5d"),
    ):  # fmt: skip
        assert said in page
    assert json.loads(bellwether("show", "cal_day_of_week", "--json").stdout)["alignment"] == "calendar"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("show", "mom_retrun_5d"), "no feature is called 'mom_retrun_5d'; near matches: mom_return_5d"),
        (
            ("list", "--view", "features_dialy"),
            "--view='features_dialy' is not known; near matches: features_d",
        ),
        (("list", "--in-set", "croe"), "--in-set='croe' is not known; near matches: core; there are core"),
        (("list", "--family", "vol_"), "--family='vol_' is not known; near matches: vol"),
    ],
)
def test_a_name_that_is_not_known_is_answered_with_near_ones(command: tuple[str, ...], said: str) -> None:
    result = bellwether(*command)
    assert (result.exit_code, said in result.output) == (78, True), result.output


def test_the_catalog_is_told_without_spark() -> None:
    script = (
        "import sys; from click.testing import CliRunner; from pipelines.cli.main import main\n"
        "assert CliRunner().invoke(main, ['features', 'show', 'vol_range_1d']).exit_code == 0\n"
        "print(sorted({'pyspark', 'feast', 'mlflow', 'deltalake'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)  # noqa: S607


def commit(folder: Path, tag: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", tag)
    git(folder, "tag", tag)


def append(path: Path, code: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + code, encoding="utf-8")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout: nothing yet, the package with a forgetful digest, changes, and without its views."""
    root = tmp_path_factory.mktemp("checkout")
    git(root, "init", "--quiet")
    (root / "README").write_text("nothing yet", encoding="utf-8")
    commit(root, "empty")
    shutil.copytree(
        PROJECT_ROOT / "features", root / "features", ignore=shutil.ignore_patterns("__pycache__")
    )
    append(root / "features" / "code_digest.py", FORGETFUL)
    commit(root, "before")
    names = {"changed": "mom_intraday_20d", "renamed": "mom_overnight_20d", "reworded": "mom_efficiency_20d"}
    append(root / "features" / "momentum.py", CHANGE.format(**names))
    nobody = {"renamed": "", "reworded": ""}
    append(root / "features" / "volatility.py", CHANGE.format(changed="vol_range_1d", **nobody))
    commit(root, "after")
    git(root, "rm", "--quiet", "features/views.py")
    commit(root, "without-views")
    git(root, "checkout", "--quiet", "after")
    append(root / "features" / "tails.py", CHANGE.format(changed="tail_skew_60d", **nobody))
    return root


def differ(repository: Path, *command: str) -> Result:
    rows = ("--sample", "4", "--symbols", "5", "--home", str(repository / "no-home"))
    return bellwether("diff", *command, "--repository", str(repository), *rows)


def test_two_commits_are_told_apart_by_values_and_digests(repository: Path) -> None:
    result = differ(repository, "before", "after", "--view", "features_daily", "--json")
    assert result.exit_code == 65, result.output
    rows = {row.pop("feature"): row for row in json.loads(result.stdout)}
    assert {name: row["change"] for name, row in rows.items()} == {
        "mom_intraday_20d": "values", "mom_efficiency_20d": "digest alone",
        "mom_overnight_20d": "only in A", "mom_overnight_20d_new": "only in B",
        "vol_range_1d": "values, same digest",
    }  # fmt: skip
    doubled = rows["mom_intraday_20d"]
    assert (doubled["rows"], doubled["changed"], doubled["null_in_a"], doubled["null_in_b"]) == (20, 20, 0, 0)
    assert doubled["largest_relative"] == pytest.approx(0.5)
    assert doubled["digest_a"] != doubled["digest_b"]
    assert "B is after (" in result.stderr
    assert "4 sessions 20" in result.stderr
    assert "DEFECT of features/code_digest.py: vol_range_1d have other values under the same" in result.stderr


def test_the_working_tree_is_what_has_not_been_committed(repository: Path) -> None:
    result = differ(repository, "after", "--features", "tail_skew_60d,vol_range_1d", "--all")
    assert result.exit_code == 0, result.output
    assert "A is after (" in result.stderr
    assert "B is the working tree" in result.stderr
    rows = [[cell.strip() for cell in line.strip("│ ").split("┆")] for line in result.stdout.splitlines()]
    assert [row[:4] for row in rows if row[0] in ("tail_skew_60d", "vol_range_1d")] == [
        ["vol_range_1d", "same", "20", "0"],
        ["tail_skew_60d", "values", "20", "16"],  # one of five symbols is listed too lately for 60 sessions
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("empty", "after"), "revision empty has no features/views.py"),
        (
            ("without-views", "after"),
            "without-views has no features/views.py",
        ),
        (("nowhere", "after"), "git knows no revision 'nowhere': name a commit, branch or tag"),
        (("--output=x", "after"), "No such option"),
        (("before", "before", "--features", "mom_retrun_5d"), "near matches: mom_return_5d"),
        (("before", "before", "--view", "features_text"), "no rows of its source scored_texts"),
    ],
)
def test_what_cannot_be_compared_is_named(repository: Path, command: tuple[str, ...], said: str) -> None:
    result = differ(repository, *command)
    assert (result.exit_code in (2, 78), said in result.output) == (True, True), result.output


def test_an_installed_package_has_no_revisions(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))  # as in a hook of another repository
    result = bellwether("diff", "HEAD", "--repository", str(tmp_path))
    assert result.exit_code == 78
    assert "is no git checkout of this project (an installed package has no revisions)" in result.output


def test_a_home_is_compared_on_its_own_lake_texts_included(repository: Path, tmp_path: Path) -> None:
    with tarfile.open(RECORDED) as packed:
        packed.extractall(tmp_path, filter="data")
    names = "mom_intraday_20d,text_count_5d"
    options = ("--features", names, "--all", "--json", "--sample", "3", "--home", str(tmp_path))
    result = bellwether("diff", "before", "after", "--repository", str(repository), *options)
    assert result.exit_code == 0, result.output
    assert "3 sessions 2022-09-29 to 2022-10-03, 4 symbols of silver.bars" in result.stderr
    assert [(row["feature"], row["change"]) for row in json.loads(result.stdout)] == [
        ("mom_intraday_20d", "values"), ("text_count_5d", "same"),
    ]  # fmt: skip
