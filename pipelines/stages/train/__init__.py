"""Train: the point-in-time frame, walk-forward fits and a registered version."""

from pipelines.base.stage import FEATURE_TABLES, Stage

STAGE = Stage(
    name="train",
    help="Train and register a challenger.",
    chain="training",
    reads=(FEATURE_TABLES, "gold.labels", "silver.bars"),
    writes=("ops.closed_cuts", "ops.trained_models"),
    fits=True,
)
