"""Champions of releases that kept no record of what they trained."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines.base.context import Context
from pipelines.base.errors import UnavailableError
from pipelines.io.model_folder import forecaster_folder
from pipelines.registry.champion import adopt_former, champion_at, load_champion
from pipelines.registry.trained_models import find_trained, recorded_keys
from tests.pipelines.champions import make_champion

AS_OF = date(2016, 6, 1)


def test_a_former_champion_is_recorded_as_the_home_has_it_and_held_to_that(
    open_home: Callable[..., Context], tmp_path: Path
) -> None:
    context = open_home(tmp_path)
    key = make_champion(context, "1", AS_OF)
    entry = champion_at(context, AS_OF)
    assert entry is not None
    folder = load_champion(context, entry).folder
    assert find_trained(context.lake, key) is None
    adopt_former(context)
    assert recorded_keys(context.lake) == {key}
    champion = load_champion(context, entry)
    assert (champion.folder, champion.lineage.model_key) == (folder, key)
    (forecaster_folder(folder) / "more").write_text("a file too many")
    with pytest.raises(UnavailableError, match="no model of run"):
        load_champion(context, entry)


def test_a_former_champion_whose_files_are_gone_is_left_without_a_record(
    open_home: Callable[..., Context], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = open_home(tmp_path)
    key = make_champion(context, "1", AS_OF)
    (context.home.mlflow / "models" / f"{key}-v1").rename(tmp_path / "away")
    adopt_former(context)
    assert recorded_keys(context.lake) == set()
    assert "former champion 1 is left without a record" in caplog.text
