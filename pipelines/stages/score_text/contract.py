"""Tables that score_text reads and writes."""

from pipelines.tables.contracts import SILVER_TEXT, SILVER_TEXT_SCORES

READS = (SILVER_TEXT,)
WRITES = (SILVER_TEXT_SCORES,)
