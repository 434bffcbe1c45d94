"""Materialize: publish the newest known feature rows to the online store."""

from pipelines.base.stage import FEATURE_TABLES, Stage

STAGE = Stage(
    name="materialize",
    help="Publish the newest known features to the online store.",
    chain="data",
    reads=(FEATURE_TABLES, "ops.trained_models", "ops.model_ledger"),
    writes=("ops.model_ledger",),
)
