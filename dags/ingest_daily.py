"""Bring one session's bars, actions and texts into the lake and clean them.

**Purpose:** Starts the daily chain at the session's cut: whatever the feeds have delivered by then lands in
bronze as it was sent, and becomes clean, versioned rows in silver. Refused records go to ops.quarantine, and
so do splits that raw prices contradict.

**Inputs:** The sources that `feeds` names.

**Outputs:** bronze.bars, bronze.actions, bronze.texts, silver.bars, silver.actions, silver.text,
ops.deliveries, ops.coverage, ops.polls, ops.quarantine; the asset `silver`, keyed by session.

**Parameters:** None. The session is the run's partition key. By hand: POST to dags/ingest_daily/dagRuns
`{"logical_date": null, "partition_key": "2026-11-10"}`. Many sessions: an Airflow backfill of this DAG, the
rest of the chain follows; for years at once `load_history` is faster.

**Safe to clear:** Yes. A delivery that is already in bronze is not taken twice, and curate recomputes whole
chains of versions.

**When it is red:** Exit 65: the session is short of symbols, and the grace after its cut is over; the alert
says how many came of how many. Once the vendor has mended it, clear the task; if it stays so, `bellwether
accept-partial --session D --why "…"` first. Exit 75: the session is waiting for bars, or another run holds
the lake's lock, and 69: a source did not answer; all are tried again by themselves. A delivery that was
refused or cannot be read is a notice and holds nothing up; so are a split that prices contradict and a symbol
that looks like another under a new name. Exit 78 of curate: most splits of everything it read contradict the
declared `price_basis`; the message has the evidence. Skipped (99): the date is no session.
"""

from airflow.sdk import DAG

from dags.lib.operators import stage
from dags.lib.spec import load_spec

spec = load_spec("ingest_daily")

with DAG(doc_md=__doc__, **spec.dag_kwargs):
    stage("ingest", "curate", spec=spec, emits=spec.asset)
