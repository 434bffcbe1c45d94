"""The file of the guide is what its page says: clean, with the look-backs that it declares."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from pipelines.cli.main import main
from tests.docs.guide import follow


def test_the_guides_file_is_clean(tmp_path: Path) -> None:
    (touched,) = follow("bring_your_own_feature_file.md", tmp_path)
    words = ["leakcheck", str(tmp_path / touched), "--symbols", "8", "--sessions", "120", "--json"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    features = json.loads(result.stdout)["features"]
    assert {one["verdict"] for one in features} == {"clean"}
    assert [one["lookback_sessions"] for one in features] == [21, 20, 2]
    assert [one["declared_sessions"] for one in features] == [21, 20, 2]
