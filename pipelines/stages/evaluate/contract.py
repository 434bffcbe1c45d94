"""Tables that evaluate reads; rows and results live beside the candidate's run."""

from pipelines.tables.contracts import OPS_MODEL_LEDGER, TableContract

READS: tuple[TableContract, ...] = (OPS_MODEL_LEDGER,)
WRITES: tuple[TableContract, ...] = ()
