"""Build features and labels: every value as it was known at each cut."""

from pipelines.base.stage import FEATURE_TABLES, Stage

STAGE = Stage(
    name="build_features",
    help="Build features and labels of the sessions whose inputs changed.",
    chain="data",
    reads=("silver.bars", "silver.actions", "silver.text", "silver.text_scores"),
    writes=(FEATURE_TABLES, "gold.labels"),
    dated_by="silver.bars",
)
