"""Tables that the stage reads; it writes reports alone."""

from pipelines.base.table import TableContract
from pipelines.tables.contracts import GOLD_FEATURES_DAILY, GOLD_FORECASTS, GOLD_LABELS

READS: tuple[TableContract, ...] = (GOLD_FEATURES_DAILY, GOLD_LABELS, GOLD_FORECASTS)
WRITES: tuple[TableContract, ...] = ()
