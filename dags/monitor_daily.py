"""Report drift of features and forecasts, and have the model trained again when the verdict says so.

**Purpose:** Compares the current window with the reference of the champion: features, forecasts, data
quality, realised rank correlation. The verdict may start train_weekly for the same session, once.

**Inputs:** gold.features_daily, gold.labels, gold.forecasts; started by the asset `forecasts` of the same
session.

**Outputs:** An HTML report and a verdict under reports/, and their index page.

**Parameters:** None. The session is the run's partition key.

**Safe to clear:** Yes. The report is drawn again only if its inputs changed, else the task is skipped; a
second start of training for the same session is left out.

**When it is red:** The log says what stopped it. Skipped: there are too few sessions to compare with. A
drift verdict is not a failure: the task is green and its button opens the report.
"""

from airflow.sdk import DAG

from dags.lib.operators import stage, start_dag
from dags.lib.spec import load_spec

spec = load_spec("monitor_daily")

with DAG(doc_md=__doc__, **spec.dag_kwargs):
    monitor = stage("monitor", spec=spec)
    monitor >> start_dag("train_weekly", after=monitor, verdict="retrain")
