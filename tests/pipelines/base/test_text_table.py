from __future__ import annotations

from pipelines.base.text_table import text_table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("MLflow", "http://127.0.0.1:5000"), ("Feast", "-")]
    assert text_table(("service", "address"), rows).splitlines() == [
        "service  address",
        "MLflow   http://127.0.0.1:5000",
        "Feast    -",
    ]


def test_without_rows_the_header_stands_alone() -> None:
    assert text_table(("dag", "state"), []) == "dag  state"
