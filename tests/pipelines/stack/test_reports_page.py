from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipelines.base.home import Home
from pipelines.stack.reports_page import reports_server


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    server = reports_server("127.0.0.1", 0, Home(tmp_path))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_reports_are_served(address: str, tmp_path: Path) -> None:
    (tmp_path / "reports" / "index.html").write_text("<p>drift</p>", encoding="utf-8")
    assert httpx.get(address).text == "<p>drift</p>"


def test_metrics_answer_before_any_run(address: str) -> None:
    answer = httpx.get(f"{address}/metrics?x=1")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "bellwether_stage_rows_refused" in answer.text


def test_nothing_above_the_folder_is_served(address: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    assert httpx.get(f"{address}/%2e%2e/secret").status_code == httpx.codes.NOT_FOUND
