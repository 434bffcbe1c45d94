"""Which source delivers what: bars of one and texts of another, and one home for the bars of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.errors import SettingsError
from pipelines.base.report import SessionRange
from pipelines.io.lake import Lake
from pipelines.io.sources.feeds import open_source, price_basis_of
from pipelines.stages.ingest.job import run
from pipelines.tables.contracts import BRONZE_BARS, BRONZE_TEXTS
from tests.pipelines.table_rows import rows_of

DAY = date(2024, 1, 3)
WIRE = "kind: files, calendar: XNYS, timezone: America/New_York"


def opened(folder: Path, lake: Lake, *overrides: str) -> Context:
    settings, _ = load_settings(overrides=["sources.simulated.start=2023-12-01", *overrides])
    clock = lambda: datetime(2024, 1, 5, tzinfo=UTC)  # noqa: E731
    return replace(open_context(settings, folder, clock=clock), lake=lake)


def test_bars_of_one_source_and_texts_of_another_are_landed(tmp_path: Path, lake: Lake) -> None:
    sent = "symbol,published_at,text\nAAPL,2024-01-03T15:00:00Z,up\nMSFT,2024-01-03T16:00:00Z,down\n"
    (tmp_path / "wire.csv").write_text(sent, encoding="utf-8")
    context = opened(
        tmp_path, lake, f"sources.wire={{{WIRE}, texts: {tmp_path / 'wire.csv'}}}", "feeds.texts=wire"
    )
    report = run(context, SessionRange(start=DAY, end=DAY))
    assert report.details["sources"] == {"bars": "simulated", "texts": "wire"}
    assert report.details["kinds"]["texts"]["rows_out"] == 2
    bars, texts = (lake.collect(lake.scan_table(table)) for table in (BRONZE_BARS, BRONZE_TEXTS))
    assert (bars["source"].unique().to_list(), texts["source"].unique().to_list()) == (
        ["simulated"],
        ["wire"],
    )
    assert (bars.height, texts["text"].sort().to_list()) == (50, ["down", "up"])
    assert run(context, SessionRange(start=DAY, end=DAY)).status == "nothing_to_do"


def test_two_sources_of_files_stand_side_by_side(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "bars.csv").write_text(
        "symbol,date,open,high,low,close,volume\nA,2024-01-03,1,2,1,1,1\n", encoding="utf-8"
    )
    (tmp_path / "texts.csv").write_text(
        "symbol,published_at,text\nA,2024-01-03T15:00:00Z,up\n", encoding="utf-8"
    )
    context = opened(
        tmp_path,
        lake,
        f"sources.vendor={{{WIRE}, bars: {tmp_path / 'bars.csv'}, price_basis: total_return}}",
        f"sources.wire={{{WIRE}, texts: {tmp_path / 'texts.csv'}}}",
        "feeds={bars: vendor, texts: wire}",
    )
    report = run(context, SessionRange(start=DAY, end=DAY))
    assert report.details["sources"] == {"bars": "vendor", "texts": "wire"}
    assert (report.rows_in, report.rows_out, report.rows_refused) == (2, 2, 0)
    assert price_basis_of(context) == "total_return"


@pytest.mark.parametrize(
    "override",
    ["feeds.texts=null", f"feeds={{bars: simulated, texts: files}}"],  # noqa: F541
    ids=["none named", "none provided"],
)
def test_no_texts(override: str, tmp_path: Path, lake: Lake) -> None:
    context = opened(tmp_path, lake, override)
    assert open_source(context, "texts") is None
    report = run(context, SessionRange(start=DAY, end=DAY))
    assert report.details["sources"] == {"bars": "simulated"}
    assert report.details["kinds"]["texts"]["rows_in"] == 0
    assert not lake.exists(BRONZE_TEXTS)


def test_a_home_keeps_to_one_source_of_bars(tmp_path: Path, lake: Lake) -> None:
    context = opened(tmp_path, lake)
    source = open_source(context, "bars")
    assert source is not None
    assert source.name == "simulated"
    lake.append(BRONZE_BARS, rows_of(BRONZE_BARS, {"source": ["files"], "batch_id": ["b"]}))
    with pytest.raises(SettingsError, match="holds bars of 'files'; one home holds one market"):
        open_source(context, "bars")
