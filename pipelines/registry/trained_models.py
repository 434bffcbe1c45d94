"""What training says of the models it made, kept in the lake: MLflow's word about them counts for nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from pipelines.base.lake import Lake
from pipelines.io.model_folder import forecaster_folder
from pipelines.registry.lineage import Lineage, json_default, parse_lineage
from pipelines.tables import queries
from pipelines.tables.contracts import OPS_TRAINED_MODELS
from serving.served_model import digest_folder

RECORDED = ("model_digest", "lineage", "table_versions")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model as training left it.

    Attributes
    ----------
    model_key : str
    digests : frozenset of str
        Of the names and bytes of the forecaster's own files, one for each time that a fit gave other bytes:
        on another machine, or by other libraries. What stands around the files in a registered model's
        folder is MLflow's, carries the hour, and is read by nobody here.
    lineage : Lineage
        What it was made from; its `frame_digest` tells the training frame.
    """

    model_key: str
    digests: frozenset[str]
    lineage: Lineage


def record_trained(lake: Lake, lineage: Lineage, model_folder: Path) -> None:
    """Record a model that was just fitted, before MLflow calls its run complete.

    A fit that is repeated and gives other bytes adds a row: what was registered of the first stays good.
    """
    record = {name: value for name, value in asdict(lineage).items() if name != "table_versions"}
    row = {
        "model_key": lineage.model_key,
        "family": lineage.family,
        "as_of": lineage.as_of,
        "fitted_until": lineage.fitted_until,
        "model_digest": digest_folder(forecaster_folder(model_folder)),
        "lineage": json.dumps(record, default=json_default, sort_keys=True),
        # Apart, because a write without effect raises them: the rest is the same whoever made it again.
        "table_versions": json.dumps(dict(lineage.table_versions), sort_keys=True),
    }
    frame = pl.DataFrame([row], schema=dict(OPS_TRAINED_MODELS.schema))
    lake.insert_absent(OPS_TRAINED_MODELS, frame, scope=queries.equals("model_key", lineage.model_key))


def find_trained(lake: Lake, model_key: str) -> TrainedModel | None:
    """Return what training recorded of a model, None where it recorded nothing.

    Models of releases before the record have none: those that were champions stay so, by the copy of their
    files that the home has kept since.
    """
    of_key = queries.rows_of(OPS_TRAINED_MODELS, RECORDED, queries.equals("model_key", model_key))
    rows = lake.collect_query(of_key, OPS_TRAINED_MODELS).sort("model_digest")
    if rows.is_empty():
        return None
    row = rows.row(0, named=True)
    record = json.loads(row["lineage"]) | {"table_versions": json.loads(row["table_versions"])}
    return TrainedModel(
        model_key=model_key,
        digests=frozenset(rows["model_digest"]),
        lineage=parse_lineage(json.dumps(record)),
    )


def recorded_keys(lake: Lake) -> set[str]:
    """Return the keys of all models that training recorded."""
    every = queries.distinct_values(OPS_TRAINED_MODELS, "model_key")
    return set(lake.collect_query(every, OPS_TRAINED_MODELS)["model_key"])
