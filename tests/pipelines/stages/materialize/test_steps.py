"""What makes a publication a repetition."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.base.run_log import LastRun
from pipelines.stages.materialize.steps import is_repeated, name_run

LAST = LastRun(inputs={"gold.features_daily": 3}, definition="abc@2016-01-05")


def test_name_run() -> None:
    assert name_run("abc", date(2016, 1, 5)) == "abc@2016-01-05"


@pytest.mark.parametrize(
    ("definition", "inputs", "repeated"),
    [
        ("abc@2016-01-05", {"gold.features_daily": 3}, True),
        ("abc@2016-01-06", {"gold.features_daily": 3}, False),  # more rows come into sight
        ("abd@2016-01-05", {"gold.features_daily": 3}, False),  # other views
        ("abc@2016-01-05", {"gold.features_daily": 4}, False),  # other rows
        ("abc@2016-01-05", {"gold.features_daily": 3, "gold.features_text": 0}, False),
    ],
)
def test_is_repeated(definition: str, inputs: dict[str, int], repeated: bool) -> None:
    assert is_repeated(LAST, definition, inputs) is repeated
