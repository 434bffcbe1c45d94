"""Evaluate: the challenger beside its baselines on the very same rows."""

from pipelines.base.stage import FEATURE_TABLES, Stage

STAGE = Stage(
    name="evaluate",
    help="Judge the challenger beside the baselines.",
    chain="training",
    reads=(FEATURE_TABLES, "ops.trained_models", "ops.model_ledger"),
    fits=True,
)
