"""What was renamed is said where a user looks for it."""

from pipelines.app.settings import RENAMED
from pipelines.base.project import PROJECT_ROOT


def test_every_renamed_setting_stands_in_the_changelog() -> None:
    text = (PROJECT_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    said = {old: f"`{old}` is `{'` and `'.join(new.split(' and '))}`" for old, new in RENAMED.items()}
    assert [line for line in said.values() if line not in text] == []
