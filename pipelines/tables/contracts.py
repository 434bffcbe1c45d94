"""The contract of every table: columns, key and partition, declared once."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch

import polars as pl

from features.sessions import INSTANT
from features.views import FeatureView, feature_views
from pipelines.base.table import Dtype, TableContract

TEXT: Dtype = pl.String
NUMBER: Dtype = pl.Float64
DAY: Dtype = pl.Date
FLAG: Dtype = pl.Boolean
MOMENT: Dtype = INSTANT
COUNT: Dtype = pl.Int32
TOTAL: Dtype = pl.Int64

_ARRIVAL = {
    "source": TEXT,
    "batch_id": TEXT,
    "delivery": TEXT,
    "delivered_at": MOMENT,
    "received_at": MOMENT,
    "landed_at": MOMENT,
    "known_at": MOMENT,
    "known_by": TEXT,
    "record_hash": TEXT,
    "session_date": DAY,
    "ingest_date": DAY,
}
_SEEN = {"closed_until": MOMENT, "overlap": COUNT}
"""What a run saw around a record: the last cut that had been read, null before the first; and how many of
the same symbol its delivery brought that only repeat what stands, null where that was not counted."""
AS_SENT_BAR = (
    "symbol", "session", "open", "high", "low", "close", "volume", "adjusted_close", "dividend", "split",
)  # fmt: skip
AS_SENT_ACTION = ("symbol", "session", "kind", "value")
AS_SENT_TEXT = ("symbol", "published_at", "text", "origin")

BRONZE_BARS = TableContract(
    name="bronze.bars",
    schema=_ARRIVAL | dict.fromkeys(AS_SENT_BAR, TEXT) | _SEEN,
    key=("batch_id", "record_hash"),
    partition_by="ingest_date",
)
BRONZE_ACTIONS = TableContract(
    name="bronze.actions",
    schema=_ARRIVAL | dict.fromkeys(AS_SENT_ACTION, TEXT) | _SEEN,
    key=("batch_id", "record_hash"),
    partition_by="ingest_date",
)
BRONZE_TEXTS = TableContract(
    name="bronze.texts",
    schema=_ARRIVAL | dict.fromkeys(AS_SENT_TEXT, TEXT),
    key=("batch_id", "record_hash"),
    partition_by="ingest_date",
)

_VERSION = {"symbol": TEXT, "session": DAY, "event_timestamp": MOMENT, "known_at": MOMENT}
_ORIGIN = {"source": TEXT, "record_hash": TEXT, "month": TEXT}

SILVER_BARS = TableContract(
    name="silver.bars",
    schema=_VERSION
    | dict.fromkeys(("open", "high", "low", "close", "volume"), NUMBER)
    | {"price_basis": TEXT, "suspect": FLAG, "valid": FLAG, "landed_at": MOMENT, "known_by": TEXT}
    | {"instrument_id": TEXT}
    | _ORIGIN,
    key=("source", "symbol", "session", "known_at"),
    partition_by="month",
)
SILVER_ACTIONS = TableContract(
    name="silver.actions",
    schema=_VERSION
    | {"kind": TEXT, "value": NUMBER, "share_value": NUMBER, "valid": FLAG}
    | {"delivery": TEXT, "delivered_at": MOMENT, "instrument_id": TEXT}
    | _ORIGIN,
    key=("source", "symbol", "session", "kind", "known_at"),
    partition_by="month",
)
SILVER_TEXT = TableContract(
    name="silver.text",
    schema={"text_id": TEXT}
    | _VERSION
    | {"published_at": MOMENT, "text": TEXT, "origin": TEXT, "landed_at": MOMENT, "known_by": TEXT}
    | _ORIGIN,
    key=("source", "text_id", "symbol"),
    partition_by="month",
)
SILVER_TEXT_SCORES = TableContract(
    name="silver.text_scores",
    schema={"text_id": TEXT, "model_version": TEXT, "session": DAY}
    | dict.fromkeys(("negative", "neutral", "positive"), NUMBER)
    | {"month": TEXT},
    key=("text_id", "model_version"),
    partition_by="month",
)
GOLD_LABELS = TableContract(
    name="gold.labels",
    schema={"symbol": TEXT, "session": DAY, "horizon": COUNT}
    | {"event_timestamp": MOMENT, "label_end": MOMENT, "known_at": MOMENT}
    | {"valid": FLAG, "value": NUMBER, "month": TEXT},
    key=("symbol", "session", "horizon", "known_at"),
    partition_by="month",
)
GOLD_FORECASTS = TableContract(
    name="gold.forecasts",
    schema={"symbol": TEXT, "session": DAY, "horizon": COUNT}
    | {"model_key": TEXT, "model_version": TEXT, "family": TEXT}
    | dict.fromkeys(("value", "rank", "q10", "q50", "q90"), NUMBER)
    | {"universe": COUNT, "issue": TEXT, "input_digest": TEXT}
    | {"cutoff_at": MOMENT, "decision_at": MOMENT, "issued_at": MOMENT, "event_timestamp": MOMENT}
    | {"in_sample": FLAG, "month": TEXT},
    key=("symbol", "session", "horizon", "model_key", "issue"),
    partition_by="month",
)
OPS_DELIVERIES = TableContract(
    name="ops.deliveries",
    schema={"source": TEXT, "kind": TEXT, "delivery": TEXT, "name": TEXT}
    | {"delivered_at": MOMENT, "size": TOTAL, "read_at": MOMENT, "outcome": TEXT, "judged_by": TEXT}
    | dict.fromkeys(("records", "refused"), TOTAL)
    | {"why": TEXT, "run_seq": TOTAL},
    key=("source", "kind", "delivery", "run_seq"),
)
OPS_COVERAGE = TableContract(
    name="ops.coverage",
    schema={"source": TEXT, "kind": TEXT, "arrival": TEXT}
    | {"after": MOMENT, "until": MOMENT, "known_at": MOMENT, "run_seq": TOTAL},
    key=("source", "kind", "run_seq"),
)
OPS_POLLS = TableContract(
    name="ops.polls",
    schema={"source": TEXT, "kind": TEXT, "session": DAY, "polled_at": MOMENT}
    | {"accepted": TOTAL, "needed": TOTAL, "complete": FLAG, "missing": TEXT, "run_seq": TOTAL},
    key=("source", "kind", "session", "run_seq"),
)
OPS_ACCEPTANCES = TableContract(
    name="ops.acceptances",
    schema={"kind": TEXT, "source": TEXT, "session": DAY, "symbol": TEXT}
    | {"who": TEXT, "why": TEXT, "accepted_at": MOMENT},
    key=("kind", "source", "session", "symbol", "accepted_at"),
)
OPS_CLOSED_CUTS = TableContract(
    name="ops.closed_cuts",
    schema={"cutoff_at": MOMENT, "stage": TEXT, "as_of": DAY, "closed_at": MOMENT},
    key=("cutoff_at", "stage"),
)
OPS_QUARANTINE = TableContract(
    name="ops.quarantine",
    schema={"batch_id": TEXT, "record_hash": TEXT, "rule": TEXT, "kind": TEXT, "source": TEXT}
    | {"symbol": TEXT, "session": TEXT, "place": TEXT, "payload": TEXT, "received_at": MOMENT},
    key=("batch_id", "record_hash", "rule"),
)
OPS_STAGE_RUNS = TableContract(
    name="ops.stage_runs",
    schema={"run_id": TEXT, "seq": TOTAL, "stage": TEXT, "as_of": DAY, "window_start": DAY, "status": TEXT}
    | {"started_at": MOMENT, "finished_at": MOMENT, "seconds": NUMBER}
    | dict.fromkeys(("rows_in", "rows_out", "rows_refused", "sessions_touched"), TOTAL)
    | {"inputs": TEXT, "outputs": TEXT, "definition": TEXT, "details": TEXT},
    key=("run_id",),
)
OPS_TRAINED_MODELS = TableContract(
    name="ops.trained_models",
    schema={"model_key": TEXT, "family": TEXT, "as_of": DAY, "fitted_until": MOMENT}
    | {"model_digest": TEXT, "lineage": TEXT, "table_versions": TEXT},
    key=("model_key", "model_digest"),
)
OPS_MODEL_LEDGER = TableContract(
    name="ops.model_ledger",
    schema={"entry_id": TEXT, "kind": TEXT, "as_of": DAY, "model_key": TEXT, "model_version": TEXT}
    | {"previous_version": TEXT, "who": TEXT, "why": TEXT, "numbers": TEXT, "decided_at": MOMENT}
    | {"account": TEXT, "host": TEXT},
    key=("entry_id",),
)

_FIXED = (
    BRONZE_BARS, BRONZE_ACTIONS, BRONZE_TEXTS,
    SILVER_BARS, SILVER_ACTIONS, SILVER_TEXT, SILVER_TEXT_SCORES,
    GOLD_LABELS, GOLD_FORECASTS,
    OPS_DELIVERIES, OPS_COVERAGE, OPS_POLLS, OPS_ACCEPTANCES, OPS_CLOSED_CUTS, OPS_QUARANTINE,
    OPS_STAGE_RUNS, OPS_TRAINED_MODELS, OPS_MODEL_LEDGER,
)  # fmt: skip
_LAYERS = ("bronze", "silver", "gold", "ops")


def feature_table(view: FeatureView) -> TableContract:
    """Return the contract of a feature view's gold table: one version of one vector a row."""
    return TableContract(
        name=f"gold.{view.name}",
        schema=_VERSION
        | {"valid": FLAG}
        | dict.fromkeys(view.feature_names, view.value_type)
        | {"month": TEXT},
        key=("symbol", "session", "known_at"),
        partition_by="month",
    )


def all_tables() -> tuple[TableContract, ...]:
    """Return every table of the lake, those of the feature views included, by layer."""
    tables = (*map(feature_table, feature_views()), *_FIXED)
    return tuple(sorted(tables, key=lambda table: _LAYERS.index(table.name.partition(".")[0])))


def select_tables(patterns: Iterable[str]) -> tuple[TableContract, ...]:
    """Return the tables that names, or patterns such as ``gold.features_*``, stand for."""
    chosen = tuple(patterns)
    return tuple(table for table in all_tables() if any(fnmatch(table.name, name) for name in chosen))
