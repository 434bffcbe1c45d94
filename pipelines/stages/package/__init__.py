"""Package: the champion as a Bento, released once its answers equal the batch scorer's."""

from pipelines.base.stage import FEATURE_TABLES, Stage

STAGE = Stage(
    name="package",
    help="Build the champion's Bento and switch the service to it.",
    chain="release",
    reads=("gold.forecasts", FEATURE_TABLES, "ops.trained_models", "ops.model_ledger"),
)
