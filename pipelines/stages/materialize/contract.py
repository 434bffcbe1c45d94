"""Tables that the stage reads; it writes the online store alone."""

from pipelines.base.table import TableContract
from pipelines.tables.contracts import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT

READS: tuple[TableContract, ...] = (GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT)
WRITES: tuple[TableContract, ...] = ()
