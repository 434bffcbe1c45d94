"""Monitor: compare the recent past with a reference window and give a verdict."""

from pipelines.base.stage import FEATURE_TABLES, Stage

STAGE = Stage(
    name="monitor",
    help="Report drift and give a verdict.",
    chain="report",
    reads=(FEATURE_TABLES, "gold.labels", "gold.forecasts"),
)
