"""The generated page of features."""

from pathlib import Path

from features.page import render_page
from features.views import VIEWS, all_features


def test_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "features.md"
    assert page.read_text("utf-8") == render_page(), "run: python -m features.page > docs/features.md"


def test_page_lists_every_feature_below_its_view():
    lines = render_page().splitlines()
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == list(VIEWS)
    assert [line.split("`")[1] for line in lines if line.startswith("| `")] == [
        feature.name for feature in all_features()
    ]
