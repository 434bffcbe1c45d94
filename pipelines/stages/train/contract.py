"""Tables that train reads; what it makes goes to MLflow."""

from pipelines.base.table import TableContract
from pipelines.tables.contracts import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT, GOLD_LABELS

READS: tuple[TableContract, ...] = (GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT, GOLD_LABELS)
WRITES: tuple[TableContract, ...] = ()
