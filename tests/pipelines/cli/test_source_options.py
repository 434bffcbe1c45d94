from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.errors import SettingsError
from pipelines.cli.options import Request
from pipelines.cli.source_options import with_source

REQUEST = Request(
    home=Path("h"), env="local", overrides=("spark.master=local[1]",), clock=None, verbose=False
)


def test_bars_select_the_files_and_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bars.csv").touch()
    request = with_source(REQUEST, source=None, bars="own/*.csv", texts=None)
    assert request.overrides[1:] == ('source.name="files"', f'source.files.bars="{tmp_path}/own/*.csv"')


def test_bars_that_are_not_there_are_named_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--bars .*bars\.csv: there is no such file"):
        with_source(REQUEST, source=None, bars=str(tmp_path / "bars.csv"), texts=None)


def test_without_a_source_nothing_changes() -> None:
    assert with_source(REQUEST, source=None, bars=None, texts=None) == REQUEST


def test_addresses_of_other_file_systems_stay_as_they_are() -> None:
    request = with_source(REQUEST, source=None, bars="s3a://feed/bars", texts=None)
    assert request.overrides[1:] == ('source.name="files"', 'source.files.bars="s3a://feed/bars"')
