from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.errors import SettingsError
from pipelines.cli.options import Request, with_source

REQUEST = Request(home=Path("h"), env="local", overrides=("spark.master=local[1]",), clock=None)
FILES = ('feeds.bars="files"', 'feeds.texts="files"')


def test_stages_see_the_settings_of_the_command_line() -> None:
    assert REQUEST.for_stages() == ["--env", "local", "--set", "spark.master=local[1]"]


def test_a_setting_without_a_value_is_not_overridden() -> None:
    request = REQUEST.overriding({"models.family": "xgboost", "feeds.bars": None})
    assert request.overrides == ("spark.master=local[1]", 'models.family="xgboost"')


def written(**options: str) -> tuple[str, ...]:
    given: dict[str, str | None] = {"source": None, "bars": None, "texts": None}
    return with_source(REQUEST, **given | options).overrides[1:]


def test_bars_select_the_files_and_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bars.csv").touch()
    assert written(bars="own/*.csv") == (*FILES, f'sources.files.bars="{tmp_path}/own/*.csv"')


def test_a_source_that_is_named_takes_the_places(tmp_path: Path) -> None:
    assert written(source="vendor", bars=str(tmp_path), texts="s3a://news/*.parquet") == (
        'feeds.bars="vendor"',
        'feeds.texts="vendor"',
        f'sources.vendor.bars="{tmp_path}"',
        'sources.vendor.texts="s3a://news/*.parquet"',
    )
    assert written(source="simulated") == ('feeds.bars="simulated"', 'feeds.texts="simulated"')


def test_texts_alone_leave_the_bars_where_they_come_from(tmp_path: Path) -> None:
    assert written(texts=str(tmp_path)) == ('feeds.texts="files"', f'sources.files.texts="{tmp_path}"')


def test_bars_that_are_not_there_are_named_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--bars .*bars\.csv: there is no such file"):
        written(bars=str(tmp_path / "bars.csv"))


def test_without_a_source_nothing_changes() -> None:
    assert with_source(REQUEST, source=None, bars=None, texts=None) == REQUEST


def test_addresses_of_other_file_systems_stay_as_they_are() -> None:
    assert written(bars="s3a://feed/bars") == (*FILES, 'sources.files.bars="s3a://feed/bars"')
