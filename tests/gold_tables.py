"""The gold tables of the two feature views that the platform comes with, under names for tests."""

from __future__ import annotations

from features.views import find_view
from pipelines.tables.contracts import feature_table

GOLD_FEATURES_DAILY = feature_table(find_view("features_daily"))
GOLD_FEATURES_TEXT = feature_table(find_view("features_text"))
