"""Promote: whether the challenger takes over, and why, in the ledger."""

from pipelines.base.stage import Stage

STAGE = Stage(
    name="promote",
    help="Make the challenger champion if it has earned it.",
    chain="training",
    reads=("ops.trained_models", "ops.model_ledger"),
    writes=("ops.model_ledger",),
)
