"""Promote: whether the challenger takes over, and why, in the ledger."""

from pipelines.base.stage import FEATURE_TABLES, Stage

STAGE = Stage(
    name="promote",
    help="Make the challenger champion and install it, if it has earned it.",
    chain="training",
    reads=("gold.forecasts", FEATURE_TABLES, "ops.trained_models", "ops.model_ledger"),
    writes=("gold.forecasts", "ops.model_ledger"),
    installs=True,
)
