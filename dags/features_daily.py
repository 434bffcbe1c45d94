"""Score the new texts, build the features of the changed sessions and publish the newest online.

**Purpose:** Turns what changed in silver into feature and label versions, and gives the online store each
symbol's newest row known at the session's cut.

**Inputs:** silver.bars, silver.text; started by the asset `silver` of the same session.

**Outputs:** silver.text_scores, the gold.features_* tables, gold.labels, Feast's online store;
the asset `features`.

**Parameters:** None. The session is the run's partition key.

**Safe to clear:** Yes. Each stage recomputes what depends on changed rows and writes no version that is
already there; an older row never replaces a newer one online.

**When it is red:** Exit 65: a table breaks its contract; the log names table, column and rows. Exit 75:
another run holds the lake's lock, or the session's cut has not passed; it retries. After a mend, clear the
failed task: the stages take up all sessions changed since their last commit.
"""

from airflow.sdk import DAG

from dags.lib.operators import stage
from dags.lib.spec import load_spec

spec = load_spec("features_daily")

with DAG(doc_md=__doc__, **spec.dag_kwargs):
    stage("score_text", "build_features", "materialize", spec=spec, emits=spec.asset)
