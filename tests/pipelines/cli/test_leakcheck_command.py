"""The firewall from outside: a file in, a report and an exit code out."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from pipelines.cli.main import main
from simulation.eventful_bars import eventful_bars

FEW = ("--symbols", "8", "--sessions", "90")
HEAD = """
import polars as pl
RETURN = pl.col("close") / pl.col("close").shift(1).over("symbol") - 1.0
"""
HONEST = HEAD + "def features(bars):\n    return bars.select('symbol', 'session', past=RETURN)\n"
LEAK = (
    HEAD + "print('loaded')\ndef features(bars):\n    print('called')\n"
    "    return bars.select('symbol', 'session', past=RETURN, ahead=RETURN.shift(-1).over('symbol'))\n"
)
CACHE = HEAD + (
    "SEEN = {}\n"
    "def features(bars):\n"
    "    mean = SEEN.setdefault('mean', bars['volume'].mean())\n"
    "    return bars.select('symbol', 'session', scaled=pl.col('volume') / mean)\n"
)


def leakcheck(file: Path, code: str, *words: str) -> Result:
    file.write_text(code, encoding="utf-8")
    return CliRunner().invoke(main, ["leakcheck", str(file), *FEW, *words])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my_features.py"


def test_an_honest_file_ends_with_0(file):
    result = leakcheck(file, HONEST)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1].split()[:3] == ["past", "clean", "2"]


def test_a_leak_ends_with_65_and_is_named(file):
    result = leakcheck(file, LEAK)
    assert result.exit_code == 65
    past, ahead = result.stdout.splitlines()[1:3]
    assert past.split()[:2] == ["past", "clean"]
    assert ahead.startswith("ahead    sees ahead  truncation, ")
    assert "2016-01-04" in ahead
    assert "LookAheadError: 1 of the features must not be used: ahead (sees ahead)" in result.stderr


def test_json_is_one_object_whatever_the_file_prints(file):
    result = leakcheck(file, LEAK, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["refused"]) == (65, ["ahead"])
    assert [one["verdict"] for one in told["features"]] == ["clean", "sees ahead"]
    assert told["features"][1]["first_session"] == "2016-01-04"
    assert told["examined"][0]["cuts"] > 10
    assert result.stderr.count("loaded") == 1
    assert "called" not in result.output


def test_what_a_file_keeps_between_calls_hides_nothing(file):
    told = json.loads(leakcheck(file, CACHE, "--json").stdout)
    assert told["features"][0]["verdict"] == "sees ahead"
    assert {"truncation", "repetition"} <= set(told["features"][0]["probes"])


def test_what_a_module_beside_the_file_keeps_hides_nothing(file):
    (file.parent / "kept_mean.py").write_text("SEEN = {}\n", encoding="utf-8")
    code = CACHE.replace("SEEN = {}\n", "").replace("    mean", "    from kept_mean import SEEN\n    mean")
    told = json.loads(leakcheck(file, code, "--json").stdout)
    assert told["features"][0]["verdict"] == "sees ahead"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def features(bars:\n", "is no Python that can be read"),
        ("import nowhere_to_be_found\n", "stops while it is loaded, with ModuleNotFoundError"),
        ("x = 1\n", "defines no function features; define features(bars: polars.DataFrame)"),
        ("def features(bars):\n    return bars.to_pandas()\n", "return a polars.DataFrame (pl.from_pandas"),
        ("def features(bars):\n    return bars['nothing']\n", "stopped with ColumnNotFoundError"),
        ("def features(bars):\n    raise SystemExit(3)\n", "stopped with SystemExit: 3"),
        (
            "def features(bars):\n    bars.drop_in_place('vwap' if 'vwap' in bars else 'high')\n"
            "    return bars.select('symbol', 'session', x='low')\n",
            "changes the bars that it is given; work on a copy",
        ),
        (HONEST + "LOOKBACK = 0\n", "LOOKBACK=0 must be a number of sessions"),
        (HONEST + "LOOKBACK = {'pasd': 2}\n", "LOOKBACK or KNOWN name ['pasd']"),
        (HONEST + "KNOWN = {'past': 'noon'}\n", "must be a dict from features to one of ['close', 'open'"),
    ],
)
def test_a_file_that_cannot_be_examined_ends_with_78(file, code, said):
    result = leakcheck(file, code)
    assert (result.exit_code, said in result.output) == (78, True), result.output


def test_overreach_is_said_and_no_leak(file):
    code = HONEST.replace("past=RETURN", "past=RETURN.rolling_mean(5).over('symbol')") + "LOOKBACK = 3\n"
    result = leakcheck(file, code)
    assert (result.exit_code, result.stdout.splitlines()[1].split()[:2]) == (0, ["past", "overreach"])
    assert "6 (declared 3)" in result.stdout


def test_constant_features_are_not_called_clean(file):
    code = "def features(bars):\n    return bars.select('symbol', 'session').with_columns(one=1)\n"
    result = leakcheck(file, code)
    assert (result.exit_code, "nothing to see" in result.stdout) == (0, True)


def test_bars_of_a_file(file, tmp_path):
    bars = eventful_bars(6, 60, 1).select("symbol", "session", "open", "high", "low", "close", "volume")
    bars.write_parquet(tmp_path / "bars.parquet")
    result = leakcheck(file, LEAK, "--bars", str(tmp_path / "bars.parquet"))
    assert (result.exit_code, f"{bars.height} rows of" in result.stdout) == (65, True), result.output
    bars.with_columns(session=pl.col("session") + pl.duration(days=2)).write_parquet(tmp_path / "odd.parquet")
    result = leakcheck(file, LEAK, "--bars", str(tmp_path / "odd.parquet"))
    assert (result.exit_code, "is no session of XNYS" in result.output) == (78, True), result.output


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 2, "name one thing to check"),
        (("--view", "features_hourly"), 78, "no feature view is called 'features_hourly'"),
        (("--set", "cores"), 78, "--set cores is no feature set, nor KEY=VALUE; there are core, alpha158"),
        (("absent.py",), 78, "name a Python file that defines features(bars)"),
        (("--view", "features_text", "--bars", "x.parquet"), 78, "reads scored_texts, not bars"),
    ],
)
def test_a_slip_is_named(words, status, said):
    result = CliRunner().invoke(main, ["leakcheck", *words, *FEW])
    assert (result.exit_code, said in result.output) == (status, True), result.output


@pytest.mark.parametrize(
    "words",
    [("--view", "features_daily"), ("--view", "features_alpha158"), ("--view", "features_text")],
)
def test_the_catalog_is_clean(words):
    few = ("--symbols", "6", "--sessions", "320", "--json")
    result = CliRunner().invoke(main, ["leakcheck", *words, *few])
    told = json.loads(result.stdout)
    assert result.exit_code == 0, result.output
    assert {one["verdict"] for one in told["features"]} == {"clean"}
