"""Forecast: a session's universe, ranked once with the champion of that moment."""

from pipelines.base.stage import FEATURE_TABLES, Stage

STAGE = Stage(
    name="forecast",
    help="Issue the champion's forecasts.",
    chain="issue",
    reads=(
        FEATURE_TABLES,
        "ops.trained_models",
        "ops.model_ledger",
        "silver.bars",
        "ops.polls",
        "ops.acceptances",
    ),
    writes=("gold.forecasts", "ops.model_ledger"),
)
