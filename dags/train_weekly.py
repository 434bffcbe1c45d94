"""Train a challenger, judge it on unseen sessions, and promote it when it wins.

**Purpose:** Builds what has landed and is not built yet, fits the configured family walk-forward, compares
the challenger with the champion and the baselines on the very same held-out rows and installs it only when
the margin is met.

**Inputs:** bronze; Feast's point-in-time join over gold. Runs weekly, or when drift asks for it.

**Outputs:** silver, gold, MLflow's runs and versions, ops.model_ledger; the asset `champion` if promoted.

**Parameters:** as_of: the session as of which to train; empty for that of the last cut.

**Safe to clear:** Yes. A model with the same identity is trained once; a run that was cut off resumes. Other
DAGs write to the lake while it fits: it reads the tables as they were when it began.

**When it is red:** Exit 65: the frame breaks a rule, such as labels not known yet; the log names it. Of the
stages before training as in ingest_daily and features_daily. Exit 75:
the session's cut has not passed, or its rest is still waited for, another run holds the lake's lock or
another training the home's, or the service does not answer with the new champion yet; it retries. Promote
skipped (99): the challenger did not win, which is the usual outcome, and ops.model_ledger and the run's page
say by how much; or the history is too short to train, which the first task's report says. With
require_approval, task `approve` waits for a person on the Airflow page; silence is a no, and a yes is for
the model that the page names.
"""

from airflow.sdk import DAG, Param, chain

from dags.lib.operators import promotion, stage
from dags.lib.spec import load_spec

spec = load_spec("train_weekly")
PARAMS = {
    "as_of": Param(
        None, type=["null", "string"], format="date", description="Session; empty for the last one"
    )
}

with DAG(doc_md=__doc__, params=PARAMS, **spec.dag_kwargs):
    fit = stage("curate", "score_text", "build_features", "train", "evaluate", spec=spec)
    chain(fit, *promotion(spec))
