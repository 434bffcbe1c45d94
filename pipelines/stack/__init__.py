"""The local stack: Airflow, MLflow, forecast service, Feast's pages and reports, as processes of one home."""
