from __future__ import annotations

from pathlib import Path

from pipelines.cli.options import Request

REQUEST = Request(
    home=Path("h"), env="local", overrides=("spark.master=local[1]",), clock=None, verbose=False
)


def test_stages_see_the_settings_of_the_command_line() -> None:
    assert REQUEST.for_stages() == ["--env", "local", "--set", "spark.master=local[1]"]


def test_a_setting_without_a_value_is_not_overridden() -> None:
    request = REQUEST.overriding({"models.family": "xgboost", "feeds.bars": None})
    assert request.overrides == ("spark.master=local[1]", 'models.family="xgboost"')
