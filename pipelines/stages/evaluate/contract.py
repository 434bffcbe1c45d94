"""Tables that evaluate reads; rows and results live beside the candidate's run."""

from pipelines.base.table import TableContract
from pipelines.tables.contracts import OPS_MODEL_LEDGER

READS: tuple[TableContract, ...] = (OPS_MODEL_LEDGER,)
WRITES: tuple[TableContract, ...] = ()
