"""Tables that the stage reads; it writes the online store alone."""

from pipelines.tables.contracts import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT, TableContract

READS: tuple[TableContract, ...] = (GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT)
WRITES: tuple[TableContract, ...] = ()
