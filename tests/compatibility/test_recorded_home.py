"""A home that an earlier version wrote is read by the commands of this one."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from pipelines.cli.main import main
from serving.online.feast_store import FeastOnlineStore
from serving.online.params import FeatureStoreParams
from serving.online.store import ViewFeatures

ARCHIVE = Path(__file__).parent / "home-d76d8ce.tar.gz"
SESSION = "2022-10-03"
MODEL_KEY = "ab4dad4e06cd48967eb66e55714bb0041fd9fdf68fc12d162642b9c64cf6bcc6"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded home, unpacked."""
    folder = tmp_path_factory.mktemp("recorded")
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(folder, filter="data")
    return folder


def bellwether(home: Path, *command: str) -> str:
    """Return what a command prints about a home."""
    result = CliRunner().invoke(main, [*command, "--home", str(home)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def show(home: Path, *words: str) -> pl.DataFrame:
    """Return the rows that `show` shows."""
    printed = bellwether(home, "show", *words, "--limit", "0", "--format", "csv")
    return pl.read_csv(io.StringIO(printed.strip()))


def test_its_online_rows_are_read_by_its_own_registry(home: Path) -> None:
    params = FeatureStoreParams(online="sqlite", connection=SecretStr(""))
    store = FeastOnlineStore(params, home / "feast")
    symbols = show(home, "gold.features_daily", "--session", SESSION)["symbol"].unique().to_list()
    rows = store.read(symbols, [ViewFeatures(name="features_daily", features=("mom_return_1d",))])
    published = store.published()
    assert published is not None
    assert rows.views["features_daily"].filter(pl.col("session") == published.session).height > 0
    assert rows.issued["model_key"].unique().to_list() == [MODEL_KEY]


def test_status_tells_tables_stages_champion_and_drift(home: Path) -> None:
    state: dict[str, Any] = json.loads(bellwether(home, "status", "--json"))
    rows = {table["table"]: (table["rows"], table["first"], table["last"]) for table in state["tables"]}
    assert rows["bronze.bars"] == (756, "2022-01-03", SESSION)
    assert rows["gold.features_daily"] == (756, "2022-01-03", SESSION)
    assert rows["gold.forecasts"] == (76, "2022-09-07", SESSION)
    assert rows["ops.quarantine"] == (None, None, None)
    assert {run["stage"]: run["as_of"] for run in state["stages"]} == {
        "train": "2022-09-30", "evaluate": "2022-09-30", "promote": "2022-09-30", "package": "2022-09-30",
        "ingest": SESSION, "curate": SESSION, "score_text": SESSION, "build_features": SESSION,
        "materialize": SESSION, "forecast": SESSION, "monitor": SESSION,
    }  # fmt: skip
    assert state["champion"]["headline"] == "version 1 (bootstrap as of 2022-09-30)"
    assert state["champion"]["model_key"] == MODEL_KEY
    assert (state["drift"]["verdict"], state["drift"]["link"]) == ("ok", f"reports/{SESSION}.html")


def test_status_for_people_names_the_champion(home: Path) -> None:
    assert "champion  version 1 (bootstrap as of 2022-09-30)" in bellwether(home, "status")


def test_forecasts_are_shown_as_they_were_issued(home: Path) -> None:
    issued = show(home, "gold.forecasts")
    assert issued.height == 76
    last = issued.filter(pl.col("session") == SESSION)
    assert last["symbol"].to_list() == ["ATDL", "LBLE", "PKWR", "TTHF"]
    assert last["rank"].to_list() == [0.625, 0.375, 0.125, 0.875]
    assert last["value"].round(6).to_list() == [0.00663, -0.015883, -0.046094, 0.00988]
    assert set(issued["model_key"]) == {MODEL_KEY}


def test_bars_are_shown_as_they_were_known(home: Path) -> None:
    at_night = show(home, "silver.bars", "--session", "2022-09-29", "--known-at", "2022-09-30")
    assert at_night["symbol"].to_list() == ["ATDL", "LBLE", "PKWR", "TTHF"]
    assert at_night["close"].to_list() == [76.85, 39.94, 41.36, 111.68]
    early = show(home, "silver.bars", "--session", "2022-09-29", "--known-at", "2022-09-29T20:20:00+00:00")
    assert early["symbol"].to_list() == ["LBLE", "PKWR"]
    assert early["close"].to_list() == [39.94, 41.36]


def test_an_audit_tells_what_was_issued_by_whom_and_from_what(home: Path) -> None:
    found: dict[str, Any] = json.loads(bellwether(home, "audit", "--session", SESSION))
    assert found["decision_at"] == "2022-10-04T12:30:00+00:00"
    (issue,) = found["issues"]
    assert (issue["model_key"], issue["model_version"], issue["family"]) == (MODEL_KEY, "1", "xgboost")
    assert (issue["rows"], issue["horizon"], issue["in_sample"]) == (4, 1, False)
    assert issue["decisions"] == ["version 1 (bootstrap as of 2022-09-30)"]
    assert issue["scored_from"] == {"gold.features_daily": 2, "gold.features_text": 2, "ops.model_ledger": 1}
    made_from = issue["trained_from"]
    assert made_from["git_commit"] == "d76d8ce1afdd8f85c1af107011f0bac94c702e1c"
    assert made_from["table_versions"] == {
        "gold.features_daily": 1,
        "gold.features_text": 1,
        "gold.labels": 1,
    }
    assert (made_from["as_of"], made_from["fitted_until"]) == ("2022-09-30", "2022-09-07T20:00:00+00:00")
    assert (made_from["rows"], made_from["seed"]) == (744, 20130208)
    assert {row["symbol"]: round(row["value"], 6) for row in issue["forecasts"]} == {
        "ATDL": 0.00663, "LBLE": -0.015883, "PKWR": -0.046094, "TTHF": 0.00988,
    }  # fmt: skip
