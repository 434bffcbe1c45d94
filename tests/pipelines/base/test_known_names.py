"""A name that was mistyped is answered with those that are near."""

from __future__ import annotations

import pytest

from pipelines.base.errors import SettingsError
from pipelines.base.known_names import check_known


def test_a_known_name_passes() -> None:
    check_known("core", {"core": (), "few": ()}, "feature_set")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("croe", r"^--in-set='croe' is not known; near matches: core; there are core, few$"),
        ("xyz", r"^--in-set='xyz' is not known; there are core, few$"),
    ],
)
def test_an_unknown_name_is_answered_with_those_there_are(name: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        check_known(name, iter(("core", "few")), "--in-set")
