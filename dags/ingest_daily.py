"""Bring one session's bars and texts into the lake and clean them.

**Purpose:** Starts the daily chain: whatever the source delivers for the run's session lands in bronze as
it was sent, and becomes clean, versioned rows in silver. Refused records go to ops.quarantine.

**Inputs:** The source that `bellwether up` was given.

**Outputs:** bronze.bars, bronze.texts, silver.bars, silver.actions, silver.text; the asset `silver`, keyed
by session.

**Parameters:** None. The session is the run's partition key. By hand: POST to dags/ingest_daily/dagRuns
`{"logical_date": null, "partition_key": "2026-11-10"}`. Many sessions: an Airflow backfill of this DAG, the
rest of the chain follows; for years at once `load_history` is faster.

**Safe to clear:** Yes. A batch that is already in bronze is not taken twice, and curate recomputes whole
chains of versions.

**When it is red:** Exit 65: the share of refused records is above its limit; look at ops.quarantine for the
reason, mend the source or raise the limit, then clear the task. Exit 69 or 75: the source or the home's
lock did not answer; it retries. Skipped: the date is no session of the exchange, or nothing new came.
"""

from airflow.sdk import DAG

from dags.lib.operators import stage
from dags.lib.spec import load_spec

spec = load_spec("ingest_daily")

with DAG(doc_md=__doc__, **spec.dag_kwargs):
    stage("ingest", "curate", spec=spec, emits=spec.asset)
