"""Report drift of features and forecasts, and have the model trained again when the verdict says so.

**Purpose:** Compares the current window with the reference of the champion: features, forecasts, data
quality, realised rank correlation. The verdict may start train_weekly for the same session, once.

**Inputs:** The gold.features_* tables, gold.labels, gold.forecasts; started by the asset `forecasts` of
the same session.

**Outputs:** An HTML report and a verdict under reports/, and their index page.

**Parameters:** None. The session is the run's partition key.

**Safe to clear:** Yes. The report is drawn again only if its inputs changed, else it stays as it is; a second
start of training for the same session is left out.

**When it is red:** Exit 65: a table breaks its contract; the log names it. Exit 75: another run holds the
lake's lock; it retries. Too few sessions to compare with, and a drift verdict, are no failures: the report
says which, and the task's button opens the page. It does not run for a session that was missed.
"""

from airflow.sdk import DAG

from dags.lib.operators import stage, start_dag
from dags.lib.spec import load_spec

spec = load_spec("monitor_daily")

with DAG(doc_md=__doc__, **spec.dag_kwargs):
    monitor = stage("monitor", spec=spec)
    monitor >> start_dag("train_weekly", after=monitor, verdict="retrain")
