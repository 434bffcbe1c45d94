"""Ingest: land what the feeds have sent, as it was sent, and say what is missing."""

from pipelines.base.stage import Stage

STAGE = Stage(
    name="ingest",
    help="Land what the feeds have delivered in bronze, as sent, and look for the sessions.",
    chain="data",
    reads=(
        "bronze.*",
        "ops.deliveries",
        "ops.coverage",
        "ops.polls",
        "ops.acceptances",
        "ops.closed_cuts",
        "ops.quarantine",
        "gold.forecasts",
        "ops.model_ledger",
    ),
    writes=(
        "bronze.*",
        "ops.deliveries",
        "ops.coverage",
        "ops.polls",
        "ops.quarantine",
        "ops.model_ledger",
    ),
    peeks=True,
)
