"""Tables that curate reads and writes."""

from pipelines.tables.contracts import BRONZE_BARS, BRONZE_TEXTS, SILVER_ACTIONS, SILVER_BARS, SILVER_TEXT

READS = (BRONZE_BARS, BRONZE_TEXTS)
WRITES = (SILVER_BARS, SILVER_ACTIONS, SILVER_TEXT)
