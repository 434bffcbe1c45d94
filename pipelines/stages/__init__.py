"""The stages: one folder each, read by contract, steps, check, write. Who knows one knows all."""

from pipelines.base.stage import Stage
from pipelines.stages import (
    build_features,
    curate,
    evaluate,
    forecast,
    ingest,
    install,
    maintain,
    materialize,
    monitor,
    promote,
    score_text,
    train,
)

STAGES: dict[str, Stage] = {
    module.STAGE.name: module.STAGE
    for module in (
        ingest,
        curate,
        score_text,
        build_features,
        materialize,
        train,
        evaluate,
        promote,
        forecast,
        install,
        monitor,
        maintain,
    )
}
"""All stages, in the order in which `bellwether run` takes them; `dags/lib/spec.py`, held equal, lists them
for Airflow."""
