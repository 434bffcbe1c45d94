"""Curate: turn records as sent into clean tables whose every version says when it was known."""

from pipelines.base.stage import Stage

STAGE = Stage(
    name="curate",
    help="Turn bronze records into clean bitemporal tables.",
    chain="data",
    reads=("bronze.*", "ops.acceptances", "ops.coverage"),
    writes=("silver.bars", "silver.actions", "silver.text", "ops.quarantine"),
    dated_by="silver.bars",
)
