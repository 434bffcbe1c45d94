"""Tables that ingest reads and writes."""

from pipelines.tables.contracts import BRONZE_BARS, BRONZE_TEXTS, OPS_QUARANTINE

READS = (BRONZE_BARS, BRONZE_TEXTS)
WRITES = (BRONZE_BARS, BRONZE_TEXTS, OPS_QUARANTINE)
