"""Settings: merged once, strict, and helpful when wrong."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.app.settings import CONF_FOLDER, REMOVED, RENAMED, known_keys, load_settings
from pipelines.app.settings_page import print_settings
from pipelines.base.errors import SettingsError
from pipelines.io.sources.params import FilesParams, SourcesParams


@pytest.mark.parametrize("env", ["local", "staging", "prod"])
def test_every_overlay_is_valid(env: str) -> None:
    settings, origins = load_settings(env)
    assert settings.calendar.name == "XNYS"
    assert origins["calendar.name"].startswith("conf/base/")


def test_an_overlay_wins_over_base_and_the_command_line_over_both() -> None:
    settings, origins = load_settings("staging", overrides=["spark.shuffle_partitions=3"])
    assert settings.spark.driver_memory == "6g"
    assert origins["spark.driver_memory"] == "conf/staging/spark.yaml"
    assert settings.spark.shuffle_partitions == 3
    assert origins["spark.shuffle_partitions"] == "--set"


def test_settings_are_frozen() -> None:
    settings, _ = load_settings()
    with pytest.raises(AttributeError, match="cannot assign to field"):
        settings.curate.suspect_move = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "curate.suspect_mov=0.3",
            r"curate.suspect_mov is not a known key; near matches: curate.suspect_move",
        ),
        ("curate.suspect_move=big", r"--set: curate.suspect_move='big': Input should be a valid number"),
        ("curate.suspect_move=-1.0", r"suspect_move=-1.0 must be positive"),
        ("spark.shuffle_partitions=2.5", r"spark.shuffle_partitions=2.5"),
        ("labels.horizon_sessions=[0]", r"horizon_sessions=\(0,\) must name at least one horizon"),
        (
            "labels.horizon_sessions=[1]",
            r"models.split.horizon_sessions=5 must be one of labels.horizon_sessions=\[1\]",
        ),
        (
            "models.feature_set=cor",
            r"models.feature_set='cor' must be one of features.sets, which names .*core",
        ),
        ("feeds.texts=wire", r"--set: feeds.texts='wire' must be a key of sources: files, simulated; see"),
        ("feeds.bars=files", r"conf/base/sources.yaml: sources.files.bars='' must name a file"),
        (
            "sources.files.seperator=;",
            r"sources.files.seperator is not a known key; .* sources.files.separator",
        ),
        ("sources.simulated.symbols=1", r"symbols=1 must lie in 2..20000"),
        ("sources.wire.kind=ticker", r"--set: sources.wire.* does not match any of the expected tags"),
        (
            "sources.Wire={kind: files, calendar: XNYS, timezone: UTC}",
            r"sources.Wire must be a name of",
        ),
        (
            "sources.files={bars: b.csv, price_basis: null}",
            r"price_basis=None must be raw, split",
        ),
        ("nonsense", r"--set 'nonsense' must read section.key=value"),
    ],
)
def test_a_wrong_setting_names_where_what_and_what_is_allowed(override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(overrides=[override])


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_names_the_new_one(old: str, tmp_path: Path) -> None:
    said = rf"{old} is called {RENAMED[old]} now; rename it"
    with pytest.raises(SettingsError, match=f"--set: {said}"):
        load_settings(overrides=[f"{old}=1"])
    shutil.copytree(CONF_FOLDER, tmp_path / "conf")
    section, _, key = old.partition(".")
    (tmp_path / "conf" / "local" / "mine.yaml").write_text(f"{section}:\n  {key}: 1\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=f"conf/local/mine.yaml: {said}"):
        load_settings(folder=tmp_path / "conf")


@pytest.mark.parametrize("old", REMOVED)
def test_a_key_that_is_gone_says_where_its_value_comes_from(old: str) -> None:
    with pytest.raises(SettingsError, match=rf"--set: {old} follows from .* now; remove it"):
        load_settings(overrides=[f"{old}=1"])
    assert old not in known_keys()


def test_what_old_keys_are_called_now_is_known() -> None:
    new = {name for names in RENAMED.values() for name in names.split(" and ")}
    assert new - set(known_keys()) == set()
    assert set(RENAMED) & set(known_keys()) == set()


def test_texts_of_another_source_or_of_none() -> None:
    wire = "sources.wire={kind: files, texts: wire.csv, calendar: XNYS, timezone: UTC}"
    settings, origins = load_settings(overrides=[wire, "feeds.texts=wire"])
    named = settings.section(SourcesParams)
    assert (named.source_of("bars"), named.source_of("texts")) == ("simulated", "wire")
    assert named.sources["wire"] == FilesParams(
        kind="files", texts="wire.csv", calendar="XNYS", timezone="UTC"
    )
    assert 'sources.wire.texts="wire.csv"' in print_settings(settings, origins)
    assert load_settings(overrides=["feeds.texts=null"])[0].section(SourcesParams).source_of("texts") is None


def test_the_guide_s_example_of_two_sources_loads(tmp_path: Path) -> None:
    guide = (CONF_FOLDER.parent / "docs" / "add_a_source.md").read_text(encoding="utf-8")
    shutil.copytree(CONF_FOLDER, tmp_path / "conf")
    example = guide.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "conf" / "local" / "feeds.yaml").write_text(example, encoding="utf-8")
    named = load_settings(folder=tmp_path / "conf")[0].section(SourcesParams)
    assert (named.source_of("bars"), named.source_of("texts")) == ("vendor", "wire")


def test_an_unknown_environment_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"env='produkt' has no folder .* allowed: local, prod, staging"):
        load_settings("produkt")


def test_every_base_key_is_commented() -> None:
    for path in (CONF_FOLDER / "base").glob("*.yaml"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for before, line in pairwise(lines):
            is_key = line.startswith("  ") and not line.lstrip().startswith(("#", "-")) and ":" in line
            if is_key and len(line) - len(line.lstrip()) == 2:
                explained = before.lstrip().startswith("#") or ":" in before or not before.strip()
                assert explained, f"{path.name}: {line.strip()} has no comment"


def test_known_keys_name_nested_ones() -> None:
    assert {"curate.suspect_move", "sources.simulated.faults.nulls"} <= set(known_keys())


@pytest.mark.parametrize("text", ["23:15", "'23:15'", '"23:15"'])
def test_a_time_of_day_is_no_number_of_base_sixty(text: str) -> None:
    settings, _ = load_settings(overrides=[f"calendar.cutoff_local={text}", "models.seed=12"])
    assert (settings.calendar.cutoff_local, settings.models.seed) == ("23:15", 12)
