from __future__ import annotations

from dags.lib.results import absolute_link, find_value

RUN = {
    "stage": "run",
    "stages": [
        {"stage": "ingest", "details": {"link": "reports/a"}},
        {"stage": "curate", "details": {"link": "b"}},
    ],
}


def test_the_report_itself_comes_first() -> None:
    assert find_value({"link": "own", **RUN}, "link") == "own"


def test_the_last_stage_that_has_it_wins() -> None:
    assert find_value(RUN, "link") == "b"


def test_false_is_a_value() -> None:
    assert find_value({"details": {"retrain": False}}, "retrain") is False


def test_nothing_is_found_in_nothing() -> None:
    assert find_value(None, "link") is None
    assert find_value({"stages": [], "details": None}, "link") is None


def test_links_start_at_their_page() -> None:
    bases = {"mlflow": "http://127.0.0.1:5000/"}
    assert absolute_link({"link": "mlflow/#/runs/1"}, bases) == "http://127.0.0.1:5000/#/runs/1"
    assert absolute_link({"link": "https://elsewhere/x"}, bases) == "https://elsewhere/x"
    assert absolute_link({}, bases) == ""
