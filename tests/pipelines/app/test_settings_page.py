"""Settings as a person reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.app.settings import load_settings
from pipelines.app.settings_page import document_settings, print_settings
from pipelines.base.project import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs" / "settings.md"


def print_overlay(folder: Path, part: dict[str, Any]) -> str:
    """Return what is printed of the project's settings under an overlay of one secret file."""
    (folder / "mine").mkdir()
    (folder / "base").symlink_to(PROJECT_ROOT / "conf" / "base")
    path = folder / "mine" / "secret.yaml"
    path.write_text(yaml.safe_dump(part), encoding="utf-8")
    path.chmod(0o600)
    return print_settings(*load_settings("mine", folder=folder))


def test_every_leaf_is_printed_with_its_origin() -> None:
    printed = print_settings(*load_settings(overrides=["curate.stale_sessions=9"]))
    assert "curate.stale_sessions=9" in printed
    line = next(line for line in printed.splitlines() if line.startswith("curate.stale_sessions"))
    assert line.endswith("# --set")


@pytest.mark.parametrize(
    "key",
    [
        "fs.s3a.secret.key",
        "fs.s3a.access.key",
        "fs.azure.account.key.ours",
        "jdbc.password",
        "ssl.keyPassword",
        "x.client_secret",
        "api_token",
        "x.apiKey",
        "fs.s3a.encryption.key",
    ],
)
def test_a_free_form_option_that_is_named_like_a_secret_is_masked(tmp_path: Path, key: str) -> None:
    printed = print_overlay(tmp_path, {"spark": {"options": {f"spark.hadoop.{key}": "hunter2"}}})
    assert "hunter2" not in printed
    assert "text.max_tokens=128" in printed


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ann:hunter2@db:5432/mlflow", "postgresql://ann:**********@db:5432/mlflow"),
        ("https://:hunter2@mlflow.example", "https://:**********@mlflow.example"),
        ("mysql+pymysql://ann:hunter2%40@db/x?ssl=1", "mysql+pymysql://ann:**********@db/x?ssl=1"),
        (
            "postgresql://db/x?user=ann&password=hunter2&a=1",
            "postgresql://db/x?user=ann&password=**********&a=1",
        ),
        ("http://127.0.0.1:5000/a@b", "http://127.0.0.1:5000/a@b"),
    ],
)
def test_a_password_within_an_address_is_masked_and_nothing_else(
    tmp_path: Path, address: str, shown: str
) -> None:
    printed = print_overlay(tmp_path, {"tracking": {"uri": address}})
    assert f'tracking.uri="{shown}"' in printed
    assert "hunter2" not in printed


def test_the_settings_page_is_current() -> None:
    assert DOCS.read_text(encoding="utf-8") == document_settings()
