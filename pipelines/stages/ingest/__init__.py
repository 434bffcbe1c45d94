"""Ingest: land what a source sent, as it was sent."""

from pipelines.base.stage import Stage

STAGE = Stage(
    name="ingest",
    help="Land the source's records of the sessions in bronze, as sent.",
    chain="data",
    reads=("bronze.*",),
    writes=("bronze.*", "ops.quarantine"),
)
