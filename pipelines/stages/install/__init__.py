"""Install: alias, Bento, running service and published forecasts follow the ledger."""

from pipelines.base.stage import FEATURE_TABLES, Stage

STAGE = Stage(
    name="install",
    help="Make alias, Bento and running service follow the ledger's champion.",
    chain="release",
    reads=("gold.forecasts", FEATURE_TABLES, "ops.trained_models", "ops.model_ledger"),
    writes=("gold.forecasts", "ops.model_ledger"),
    installs=True,
)
