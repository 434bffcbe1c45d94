"""Load a whole range of sessions in one go.

**Purpose:** The bulk form of the daily chain: one process takes all sessions from `start` to `end` through
ingest, curate, score_text, build_features and materialize. Fills the gaps that daily runs only report.

**Inputs:** The sources that `feeds` names.

**Outputs:** All bronze, silver and gold tables but the forecasts, and Feast's online store; the asset
`features` for the last session, so that its forecast follows.

**Parameters:** start, end: first and last session, both included.

**Safe to clear:** Yes. What is already there is not written again; a run that was cut off takes up where
its last stage committed.

**When it is red:** As features_daily. Sessions that lack symbols are reported, never red; nothing is waited
for but the lake's lock and the last session's cut (75). Exit 78: most arrival times of a first load trail
their sessions by months; `stamps_from` of the source says from when they count. Or most splits contradict
the declared `price_basis`, and silver stays as it was.
"""

from airflow.sdk import DAG, Param

from dags.lib.operators import stage
from dags.lib.spec import load_spec

spec = load_spec("load_history")
PARAMS = {
    "start": Param(type="string", format="date", description="First session"),
    "end": Param(type="string", format="date", description="Last session"),
}

with DAG(doc_md=__doc__, params=PARAMS, **spec.dag_kwargs):
    stage("ingest", "curate", "score_text", "build_features", "materialize", spec=spec, emits=spec.asset)
