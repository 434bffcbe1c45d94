"""From when on a run is late, as Airflow stores it and reads it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.serialization.decoders import decode_deadline_reference
from airflow.serialization.encoders import encode_deadline_reference

from dags.lib.spec import load_spec


def test_a_deadline_counts_from_when_the_run_was_created() -> None:
    deadline = load_spec("forecast_daily").dag_kwargs["deadline"]
    stored = encode_deadline_reference(deadline.reference)
    before = datetime.now(tz=UTC)
    due = decode_deadline_reference(stored).evaluate_with(session=None, interval=deadline.interval)
    assert before + timedelta(hours=1) <= due <= datetime.now(tz=UTC) + timedelta(hours=1)


def test_airflow_does_not_take_it_for_one_that_clearing_counts_anew() -> None:
    stored = encode_deadline_reference(load_spec("forecast_daily").dag_kwargs["deadline"].reference)
    assert stored["reference_type"] == "WhenCreated"
