"""Tables that promote reads and writes."""

from pipelines.base.table import TableContract
from pipelines.tables.contracts import OPS_MODEL_LEDGER

READS: tuple[TableContract, ...] = (OPS_MODEL_LEDGER,)
WRITES: tuple[TableContract, ...] = (OPS_MODEL_LEDGER,)
