"""Issue the champion's forecasts for the session's universe.

**Purpose:** Scores the session with its champion, from what was known at the session's cut, and keeps what
was issued for ever.

**Inputs:** The gold.features_* tables, the champion in MLflow; started by the asset `features`
of the same session.

**Outputs:** gold.forecasts (only rows that are not there yet); the asset `forecasts`.

**Parameters:** None. The session is the run's partition key.

**Safe to clear:** Yes. What was issued stays as it was; a second run adds nothing.

**When it is red:** Exit 65: the model has seen outcomes later than this session, or no symbol has a valid
feature row of it; the message says which. Exit 75: the session's cut has not passed, or what was known at it
is short of symbols; it retries. Skipped (99): no champion yet (start train_weekly), or the session was
missed: its grace is over and what was known at its cut is short; `bellwether accept-partial` lifts that, then
clear the task. Green with no rows: the session was forecast before.
"""

from airflow.sdk import DAG

from dags.lib.operators import stage
from dags.lib.spec import load_spec

spec = load_spec("forecast_daily")

with DAG(doc_md=__doc__, **spec.dag_kwargs):
    stage("forecast", spec=spec, emits=spec.asset)
