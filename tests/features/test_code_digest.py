"""A feature's digest changes with what can change its values, and with nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from features import code_digest as digests
from features.code_digest import (
    code_digest,
    describe_expression,
    feature_digest,
    labels_digest,
    view_digest,
)
from features.feature import Feature
from features.views import VIEWS, FeatureView, all_features, primary_view

NAMES = tuple(feature.name for feature in all_features())
DAILY = set(primary_view().feature_names)
PACKAGE = Path(digests.__file__).parent
PROGRAM = (
    "import json; from features.code_digest import feature_digest; from features.views import all_features; "
    "print(json.dumps({one.name: feature_digest(one.name) for one in all_features()}))"
)
NEW_FAMILY = '''
"""A family of one."""
from features.feature import Feature
from features import windows

FEATURES = (
    Feature(
        name="new_mean_7d", family="new", unit="number", definition="x", lookback_sessions=7, source="none",
        expression=windows.mean("close", 7),
    ),
)
'''


@pytest.fixture(scope="module")
def own() -> dict[str, str]:
    """The digests of this process."""
    return {name: feature_digest(name) for name in NAMES}


def _digests(folder: Path, edits: Mapping[str, tuple[str, str]], **files: str) -> dict[str, str]:
    """Return the digests of a copy of the package with edits and more modules, from another process."""
    copy = Path(shutil.copytree(PACKAGE, folder / "features", ignore=shutil.ignore_patterns("__pycache__")))
    for place, (old, new) in edits.items():
        path = copy / f"{place.partition(':')[0]}.py"
        text = path.read_text("utf-8")
        assert old in text, f"{path.name} no longer holds {old!r}"
        path.write_text(text.replace(old, new), "utf-8")
    for name, text in files.items():
        (copy / f"{name}.py").write_text(text, "utf-8")
    environment = dict(os.environ, PYTHONPATH=str(folder), PYTHONHASHSEED="7")
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(told.stdout)
    return found


def test_unrelated_additions_and_words_change_no_digest(tmp_path: Path, own: dict[str, str]) -> None:
    found = _digests(
        tmp_path,
        {
            "catalog:import": (
                "    momentum,\n    oscillator,",
                "    momentum, novelty, # more\n    oscillator,",
            ),
            "catalog:order": (
                "    session_calendar,\n)\n_OWN",
                "    session_calendar,\n    novelty,\n)\n_OWN",
            ),
            "panel": ("def prepare_panel(", "# a remark\n\n\ndef prepare_panel("),
            "kernels/pairs": ('"""Return `fit` of y on x', '"""Return, in other words, `fit` of y on x'),
            "windows": (
                "def wilder_span(window: int) -> float:",
                "def wilder_span(\n    window: int,\n) -> float:",
            ),
            "volatility": (
                "for window in (5, 20, 60, 120)",
                "for window in (4, 5, 20, 60, 120)",
            ),
        },
        novelty=NEW_FAMILY,
    )
    assert {"new_mean_7d", "vol_realised_4d"} == set(found) - set(own)
    assert {name: found[name] for name in own} == own


def test_windows_kernels_and_inputs_change_the_digests_that_rest_on_them(
    tmp_path: Path, own: dict[str, str]
) -> None:
    found = _digests(
        tmp_path,
        {
            "tails": ('windows.skew("log_return", 60)', 'windows.skew("log_return", 61)'),
            "trend": ('windows.exponential_mean("close", 12,', 'windows.exponential_mean("close", 13,'),
            "kernels/pairs": ("if count < 3.0 or pairs", "if count < 4.0 or pairs"),
            "momentum": (
                'unit="log return",\n        definition="sum of ln(close',
                'unit="log",\n        definition="sum of ln(close',
            ),
        },
    )
    fitted = {
        name for name in NAMES if name.startswith(("mkt_beta", "mkt_correlation", "mkt_idio", "mkt_alpha"))
    }
    assert {name for name in own if found[name] != own[name]} == fitted | {
        "tail_skew_60d",
        "trend_macd_12d_26d",
        "trend_macd_histogram_9d",
        "mom_intraday_20d",
        "xs_rank_mkt_beta_60d",
        "liq_roll_spread_60d",
        "volume_return_correlation_20d",
    }


def test_preparation_changes_the_digests_of_its_view(tmp_path: Path, own: dict[str, str]) -> None:
    found = _digests(tmp_path, {"panel": ("close / previous - 1.0", "close / previous - 1")})
    assert {name for name in own if found[name] != own[name]} == DAILY


def test_options_that_polars_does_not_show_are_told() -> None:
    three, four = (_feature(pl.col("close").rolling_mean(size)) for size in (3, 4))
    assert str(three.expression) == str(four.expression)
    assert describe_expression(three) != describe_expression(four)


def test_a_function_that_polars_cannot_look_into_is_refused() -> None:
    hidden = _feature(pl.col("close").map_batches(lambda closes: closes * 2))
    with pytest.raises(ValueError, match="mom_x_1d calls a function that cannot be seen; use a primitive"):
        describe_expression(hidden)


def test_views_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    one = "mom_return_1d"
    before = {view.name: view_digest(view) for view in VIEWS.values()}
    assert len(set(before.values())) == len(VIEWS)
    view = FeatureView(
        name="features_toy",
        description="x",
        source="bars",
        columns=primary_view().columns,
        version_key=primary_view().version_key,
        features=(_feature(pl.col("close")),),
        compute=_compute,
    )
    known = feature_digest(one)
    monkeypatch.setitem(VIEWS, view.name, view)
    assert {view.name: view_digest(view) for view in VIEWS.values()}.items() > before.items()
    assert labels_digest() not in before.values()
    assert len(feature_digest("mom_x_1d")) == 16
    assert feature_digest(one) == known


def test_code_is_followed_from_name_to_name() -> None:
    root = (
        "from features import b\nfrom features.c import LIMIT\ndef root(x):\n    return b.half(x) + LIMIT\n"
    )
    half = "def half(x):\n    'Say.'\n    return x / 2  # why\ndef other(x):\n    return x\n"
    sources = {"features.a": root, "features.b": half, "features.c": "LIMIT = 3\nFREE = 4\n"}

    def digest(**changed: str) -> str:
        edited = sources | {f"features.{name}": text for name, text in changed.items()}
        return code_digest([("features.a", "root")], read=edited.get)

    assert digest(b="def half(x):\n    return x / 2\n", c="FREE = 5\nLIMIT = 3\n") == digest()
    assert digest(b=half.replace("/ 2", "/ 3")) != digest()
    assert digest(c="LIMIT = 4\n") != digest()
    with pytest.raises(ValueError, match=r"features\.a\.leaf is no top-level definition"):
        code_digest([("features.a", "leaf")], read=sources.get)


def test_other_packages_are_followed_where_asked_and_modules_apart_are_not() -> None:
    job = (
        "from jobs.steps import ticks\nfrom jobs import told\nfrom elsewhere import io\n"
        "def run(x):\n    return io.write(ticks.judge(told.say(x)))\n"
    )
    sources = {
        "jobs.job": job,
        "jobs.steps.ticks": "def judge(x):\n    return x > 1\n",
        "jobs.told": "def say(x):\n    return x\n",
        "elsewhere.io": "def write(x):\n    return x\n",
    }

    def digest(packages: tuple[str, ...] = ("jobs",), **changed: str) -> str:
        edited = sources | {name.replace("_", "."): text for name, text in changed.items()}
        return code_digest([("jobs.job", "run")], packages=packages, apart=["jobs.told"], read=edited.get)

    assert digest(jobs_steps_ticks="def judge(x):\n    return x > 2\n") != digest()
    assert digest(jobs_steps_ticks="# why\ndef judge(x):\n    'Say.'\n    return x > 1\n") == digest()
    assert digest(jobs_told="def say(x):\n    return -x\n") == digest()
    assert digest(elsewhere_io="def write(x):\n    return -x\n") == digest()
    # A package is one by its whole name.
    assert digest(("job",), jobs_steps_ticks="def judge(x):\n    return x > 2\n") == digest(("job",))


def _feature(expression: pl.Expr) -> Feature:
    fields = {"unit": "number", "definition": "x", "source": "none", "lookback_sessions": 1}
    return Feature(name="mom_x_1d", family="mom", expression=expression, **fields)  # type: ignore[arg-type]


def _compute(bars: pl.DataFrame, *_: object) -> pl.DataFrame:
    return bars
