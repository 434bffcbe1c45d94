from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.errors import SettingsError
from pipelines.stack.page_guards import check_token_file


def test_a_token_file_is_its_owners_and_holds_a_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    check_token_file("")
    with pytest.raises(SettingsError, match=r"serving\.token_file=.*/tokens is missing or empty; write the"):
        check_token_file(str(path))
    path.write_text("s3cret\n")
    path.chmod(0o640)
    with pytest.raises(SettingsError, match=r"may be read by others \(mode 0640\); chmod 600 .*/tokens"):
        check_token_file(str(path))
    path.chmod(0o600)
    check_token_file(str(path))
