"""Tables that package reads; it writes none: its output is a Bento in the home's store."""

from pipelines.base.table import TableContract
from pipelines.tables.contracts import (
    GOLD_FEATURES_DAILY,
    GOLD_FEATURES_TEXT,
    GOLD_FORECASTS,
    OPS_MODEL_LEDGER,
)

READS: tuple[TableContract, ...] = (GOLD_FORECASTS, GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT, OPS_MODEL_LEDGER)
WRITES: tuple[TableContract, ...] = ()
