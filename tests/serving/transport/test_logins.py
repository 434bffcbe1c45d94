from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from serving.transport.logins import Login


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def basic(text: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def test_an_empty_token_file_lets_nobody_in_by_mistake(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("\n")
    with pytest.raises(
        ValueError, match=r"serving\.token_file=.* is missing or empty; write the token into it"
    ):
        Login(token_file=str(path))
    assert Login().admits({})


def test_during_a_rotation_both_tokens_hold(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old\n")
    login = Login(token_file=str(path))
    assert (login.admits(bearer("old")), login.admits(bearer("new"))) == (True, False)
    path.write_text("old\nnew\n")
    assert (login.admits(bearer("old")), login.admits(bearer("new"))) == (True, True)
    path.write_text("new\n")
    assert (login.admits(bearer("old")), login.admits(bearer("new"))) == (False, True)


def test_a_file_that_is_emptied_or_lost_keeps_what_it_said_before(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    login = Login(token_file=str(path))
    path.write_text("")
    assert (login.admits(bearer("s3cret")), login.admits(bearer(""))) == (True, False)
    path.unlink()
    assert login.admits(bearer("s3cret"))
    assert not login.admits({})


def test_a_person_comes_by_name_and_password(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    login = Login(passwords=path)
    assert not login.admits(basic("admin:"))
    path.write_text(json.dumps({"admin": "pässword:x", "ghost": ""}))
    assert login.admits(basic("admin:pässword:x"))
    for wrong in ("admin:pässword", "admin:", ":", "", "ghost:", "other:pässword:x"):
        assert not login.admits(basic(wrong)), wrong
    assert not login.admits(bearer("pässword:x"))
    assert login.challenge().startswith("Basic ")


@pytest.mark.parametrize(
    "sent", ["", "Basic", "Basic !", "Basic =", "Basic //8=", "Bearer", "Bearer \xff", "Digest x"]
)
def test_what_is_no_credential_lets_nobody_in(tmp_path: Path, sent: str) -> None:
    (tmp_path / "passwords.json").write_text('{"admin": "x"}')
    (tmp_path / "token").write_text("t")
    login = Login(passwords=tmp_path / "passwords.json", token_file=str(tmp_path / "token"))
    assert not login.admits({"authorization": sent})


def test_torn_passwords_keep_what_they_were(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "passwords.json"
    path.write_text('{"admin": "x"}')
    login = Login(passwords=path)
    assert login.admits(basic("admin:x"))
    for torn in ('{"adm', "[]", ""):
        path.write_text(torn)
        assert login.admits(basic("admin:x"))
    assert "what it said before still holds" in caplog.text
