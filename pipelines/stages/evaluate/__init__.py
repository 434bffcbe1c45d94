"""Evaluate: the challenger beside its baselines on the very same rows."""

from pipelines.base.stage import Stage

STAGE = Stage(
    name="evaluate",
    help="Judge the challenger beside the baselines.",
    chain="training",
    reads=("ops.trained_models", "ops.model_ledger"),
    fits=True,
)
