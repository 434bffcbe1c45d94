"""What a model's key follows, and what leaves it alone, on a small lake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.splits import plan_splits
from pipelines.base.context import Context
from pipelines.registry.lineage import Lineage, restore_params
from pipelines.registry.model_identity import build_lineage
from pipelines.registry.training_frame import read_frame
from pipelines.tables.contracts import SILVER_BARS
from tests.pipelines.synthetic_gold import make_gold, write_gold
from tests.pipelines.table_rows import append

NAMES = ("mom_return_1d", "mom_return_5d")


@dataclass(frozen=True)
class Lake:
    """A lake of gold, opened under any settings."""

    open_home: Callable[..., Context]
    folder: Path

    def lineage(
        self, *overrides: str, names: tuple[str, ...] = NAMES, beside: tuple[str, ...] = ()
    ) -> Lineage:
        context, gold = self.open_home(self.folder, *overrides), make_gold()
        as_of = gold.sessions[-6]
        frame = read_frame(context, as_of, 1, (*names, *beside))
        plan = plan_splits(frame, context.settings.models.split)
        return build_lineage(context, as_of, frame, names, plan, versions={})


@pytest.fixture(scope="module")
def lake(open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("identity")
    write_gold(open_home(folder).lake, make_gold())
    return Lake(open_home, folder)


def test_another_order_of_the_same_features_is_another_model(lake: Lake) -> None:
    one, other = lake.lineage(), lake.lineage(names=NAMES[::-1])
    assert one.frame_digest == other.frame_digest
    assert one.model_key != other.model_key


def test_what_only_baselines_read_is_no_feature_of_the_model(lake: Lake) -> None:
    alone, beside = lake.lineage(), lake.lineage(beside=("mom_overnight_20d",))
    assert beside.feature_names == alone.feature_names == NAMES
    assert set(beside.feature_digests) == set(NAMES)
    assert beside.frame_digest != alone.frame_digest


def test_labels_of_another_horizon_change_nothing_and_their_lag_does(lake: Lake) -> None:
    key = lake.lineage().model_key
    assert lake.lineage("labels.horizon_sessions=[1,5,20]").model_key == key
    assert lake.lineage("labels.lag_minutes=45").model_key != key


def test_the_scorer_of_texts_is_named_where_a_feature_rests_on_it(lake: Lake) -> None:
    assert not lake.lineage().definitions["text_scorer"]
    assert lake.lineage(names=(*NAMES, "text_count_1d")).definitions["text_scorer"]


def test_a_model_keeps_its_baselines(lake: Lake) -> None:
    made = lake.lineage("models.baselines.reversal_feature=mom_return_1d")
    assert made.model_key == lake.lineage().model_key
    today = lake.open_home(lake.folder).settings.models
    assert today.baselines.reversal_feature == "mom_return_5d"
    assert restore_params(made, today).baselines.reversal_feature == "mom_return_1d"


def test_the_share_of_bars_that_are_known_by_assumption_is_stated(lake: Lake) -> None:
    assert lake.lineage().assumed_share == 0.0
    context, known_at = lake.open_home(lake.folder), datetime(2016, 1, 4, 22, tzinfo=UTC)
    append(
        context.lake,
        SILVER_BARS,
        {
            "symbol": ["A", "B", "C", "D"],
            "source": ["simulated", "simulated", "simulated", "other"],
            "known_by": ["assumed", "stamp", None, "assumed"],
            "known_at": [known_at] * 4,
        },
    )
    made = lake.lineage()
    assert 0 < made.assumed_share < 0.1
    assert made.as_tags()["assumed_share"] == str(made.assumed_share)
