"""Make what is served follow the ledger, where promoting left something to do.

**Purpose:** Brings alias, Bento, running service and published forecasts in line with the ledger's champion.
Its answers must equal the batch scorer's first, and the running service then changes over without failing a
request. `promote` does the same, so that mostly nothing is left: a first model that was promoted before
anything was published is.

**Inputs:** The ledger, the champion in MLflow, the gold.features_* tables, Feast's online store; started by
the asset `champion`.

**Outputs:** A Bento in the home's store that the pointer names, the alias, the champion's issued forecasts
in Feast.

**Parameters:** None. The session is the run's partition key, that of the promotion.

**Safe to clear:** Yes. The same champion gives the same Bento; where all follows already, nothing changes.

**When it is red:** Exit 65: the champion's Bento does not answer as the batch scorer does; the log names
symbols and differences, and the service stays with the former champion. Exit 75: the running service does
not answer with the champion; it retries, and `bellwether up` completes it. To go back: `bellwether rollback
--to VERSION --why "…"`.
"""

from airflow.sdk import DAG

from dags.lib.operators import stage
from dags.lib.spec import load_spec

spec = load_spec("package_on_promotion")

with DAG(doc_md=__doc__, **spec.dag_kwargs):
    stage("install", spec=spec)
