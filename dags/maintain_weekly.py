"""Keep the lake quick and the disk free.

**Purpose:** Compacts small files, removes files past their retention, expires old reports.

**Inputs:** Every table of the lake, the reports folder.

**Outputs:** The same rows in fewer files.

**Parameters:** None; retention is a setting.

**Safe to clear:** Yes. No row changes. Versions older than the retention can no longer be read, and a stage
that last ran before it compares in full instead of reading the change feed.

**When it is red:** Exit 75: another run holds the lake's lock; it retries.
"""

from airflow.sdk import DAG

from dags.lib.operators import stage
from dags.lib.spec import load_spec

spec = load_spec("maintain_weekly")

with DAG(doc_md=__doc__, **spec.dag_kwargs):
    stage("maintain", spec=spec)
