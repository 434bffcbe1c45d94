"""Build the champion's service and switch the running one to it.

**Purpose:** Packs the new champion with its feature service. Its answers must equal the batch scorer's
before it is tagged, and the running service then changes over without failing a request.

**Inputs:** The champion in MLflow, gold.features_daily, Feast's online store; started by the asset
`champion`.

**Outputs:** A Bento in the home's store, tagged as current.

**Parameters:** None. The session is the run's partition key, that of the promotion.

**Safe to clear:** Yes. The same champion gives the same Bento; one that is already tagged is left alone.

**When it is red:** Exit 65: the packed model does not answer as the batch scorer does; the log names
symbols and differences, and the service stays with the former champion. To go back: `bellwether rollback
--to VERSION --why "…"`.
"""

from airflow.sdk import DAG

from dags.lib.operators import stage
from dags.lib.spec import load_spec

spec = load_spec("package_on_promotion")

with DAG(doc_md=__doc__, **spec.dag_kwargs):
    stage("package", spec=spec)
