"""What is secret by its name or its form."""

from __future__ import annotations

import logging

import pytest

from pipelines.base.masking import MaskingFormatter, has_password, is_secret_name, mask_text, mask_values


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("MLflow at http://ann:hunter2@db:5000 is off", "MLflow at http://ann:**********@db:5000 is off"),
        ("redis:6379,ssl=true,password=hunter2 fails", "redis:6379,ssl=true,password=********** fails"),
        ("-Djavax.trustStorePassword=hunter2", "-Djavax.trustStorePassword=**********"),
        ("see http://127.0.0.1:5000/a@b", "see http://127.0.0.1:5000/a@b"),
        ("'postgresql://u:pa/ss@db/x' and y@z", "'postgresql://u:**********@db/x' and y@z"),
        ("postgresql://u:p@ss@db/x", "postgresql://u:**********@db/x"),
    ],
)
def test_a_password_in_a_text_is_masked_and_nothing_else(text: str, shown: str) -> None:
    assert mask_text(text) == shown
    assert mask_text(shown) == shown
    assert has_password(text) is (text != shown)


def test_a_section_is_masked_by_keys_names_and_addresses() -> None:
    section = {"online": "redis", "connection": "redis:6379", "more": [{"api_key": "k"}, "//a:b@c"], "n": 3}
    masked = mask_values(section, "feature_store", lambda key: key == "feature_store.connection")
    assert masked == {
        "online": "redis",
        "connection": "**********",
        "more": [{"api_key": "**********"}, "//a:**********@c"],
        "n": 3,
    }


@pytest.mark.parametrize("name", ["max_tokens", "serving.token_file", "fs.s3a.aws.credentials.provider"])
def test_a_name_that_only_resembles_a_secret_is_none(name: str) -> None:
    assert not is_secret_name(name)


def test_a_logged_traceback_is_masked() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "at %s", ("http://a:hunter2@b",), None)
    try:
        raise OSError("http://a:hunter2@b/api refused")
    except OSError as error:
        record.exc_info = (OSError, error, error.__traceback__)
    assert "hunter2" not in MaskingFormatter("%(message)s").format(record)
