"""Tables that promote reads and writes."""

from pipelines.tables.contracts import OPS_MODEL_LEDGER, TableContract

READS: tuple[TableContract, ...] = (OPS_MODEL_LEDGER,)
WRITES: tuple[TableContract, ...] = (OPS_MODEL_LEDGER,)
