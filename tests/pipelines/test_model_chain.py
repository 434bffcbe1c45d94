"""train, evaluate, promote and forecast on one small gold lake, in the order of three as-ofs."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.definitions import ISSUED_VIEW
from features.views import find_view
from models.base import load_forecaster
from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, TransientError
from pipelines.base.report import SessionRange, StageReport
from pipelines.cli.audit import audit, audit_session
from pipelines.io.feature_store import open_feature_store
from pipelines.io.lake import Lake
from pipelines.io.model_folder import forecaster_folder
from pipelines.io.tracking import Tracking
from pipelines.registry.challenger import find_challenger
from pipelines.registry.champion import champion_at, load_champion, point_alias, tracking_of
from pipelines.registry.comparison import ChampionForecasts, forecast_holdout
from pipelines.registry.installation import install_if_published
from pipelines.registry.issue import digest_inputs
from pipelines.registry.leak_stop import accept_suspect
from pipelines.registry.ledger import read_ledger
from pipelines.registry.lineage import parse_lineage
from pipelines.registry.reproduction import reproduce
from pipelines.registry.rollback import roll_back
from pipelines.registry.training_frame import read_frame
from pipelines.stages.forecast import job as forecasting
from pipelines.stages.promote import job as promoting
from pipelines.tables.contracts import GOLD_FORECASTS, GOLD_LABELS, SILVER_BARS
from tests.gold_tables import GOLD_FEATURES_DAILY
from tests.pipelines.synthetic_gold import (
    CALENDAR,
    Gold,
    append_rows,
    correct,
    make_bars,
    make_gold,
    retract,
    write_gold,
)

DAILY = list(find_view("features_daily").feature_names)
FEATURES = [*DAILY, *find_view("features_text").feature_names]


@dataclass
class Chain:
    """A home, its gold, and what each stage reported so far."""

    context: Context
    gold: Gold
    reports: dict[str, StageReport] = field(default_factory=dict)

    def run(self, stage: str, place: int, *, back: int = 0) -> StageReport:
        """Run a stage as of the session at `place`, over `back` sessions before it too."""
        window = SessionRange(start=self.gold.sessions[place - back], end=self.gold.sessions[place])
        return run_stage(self.context, stage, window)

    def accept(self, place: int) -> None:
        """Say what explains that the planted alpha is so strong."""
        challenger = find_challenger(self.context, self.gold.sessions[place])
        assert challenger is not None
        accept_suspect(self.context, challenger, self.gold.sessions[place], "the alpha was planted")


@pytest.fixture(scope="module")
def chain(open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A first model as of five sessions before the last, with corrections around the as-of."""
    gold = make_gold()
    now = CALENDAR.decision_at(gold.sessions[-1])
    chain = Chain(open_home(tmp_path_factory.mktemp("home"), now=now), gold)
    write_gold(chain.context.lake, gold)
    first = DAILY[0]
    append_rows(
        chain.context.lake,
        GOLD_FEATURES_DAILY,
        pl.concat(
            [
                correct(gold.daily, "S00", gold.sessions[50], days=3, **{first: 99.0}),
                # Between the cut and the decision: too late for any vector of the session.
                *(after_the_cut(gold, "S07", gold.sessions[place]) for place in (50, -10)),
                retract(gold.daily, "S01", gold.sessions[51], days=3),
                retract(gold.daily, "S02", gold.sessions[52], days=0).with_columns(
                    pl.col("known_at") + timedelta(hours=2)
                ),
                retract(gold.daily, "S03", gold.sessions[-6], days=0).with_columns(
                    pl.col("known_at") + timedelta(hours=2)
                ),
            ]
        ),
    )
    append_rows(
        chain.context.lake,
        GOLD_LABELS,
        pl.concat(
            [
                correct(gold.labels, "S04", gold.sessions[53], days=2, value=0.5),
                correct(gold.labels, "S05", gold.sessions[-20], days=300, value=0.5),
                retract(gold.labels, "S06", gold.sessions[54], days=2),
            ]
        ),
    )
    for stage in ("train", "evaluate"):
        chain.reports[stage] = chain.run(stage, -6)
    chain.reports["stopped"] = chain.run("promote", -6)
    chain.accept(-6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracking, "set_champion", crash)
        with pytest.raises(KeyboardInterrupt, match="before the alias"):
            chain.run("promote", -6)
    chain.reports["promote"] = chain.run("promote", -6)
    return chain


def after_the_cut(gold: Gold, symbol: str, session: date) -> pl.DataFrame:
    """Return a correction of a vector that came between the session's cut and its decision."""
    late = correct(gold.daily, symbol, session, days=0, **{DAILY[0]: 77.0})
    late = late.with_columns(pl.col("known_at") + timedelta(hours=6))
    assert CALENDAR.cutoff_at(session) < late["known_at"].item() < CALENDAR.decision_at(session)
    return late


def crash(*_arguments: object) -> None:
    raise KeyboardInterrupt("before the alias")


@pytest.fixture(scope="module")
def frame(chain: Chain) -> pl.DataFrame:
    """The training frame of the first as-of."""
    return read_frame(chain.context, chain.gold.sessions[-6], 1, FEATURES)


def row_of(frame: pl.DataFrame, symbol: str, session: object) -> dict[str, object]:
    found = frame.filter((pl.col("symbol") == symbol) & (pl.col("session") == session)).to_dicts()
    return found[0] if found else {}


def test_frame_holds_each_sessions_own_vector_as_known_at_its_cut(chain: Chain, frame: pl.DataFrame) -> None:
    gold = chain.gold
    expected = gold.daily.select("symbol", "session", *DAILY).with_columns(pl.col(DAILY).cast(pl.Float32))
    joined = frame.join(expected, on=["symbol", "session"], suffix="_gold")
    assert joined.height == frame.height
    for name in DAILY:
        assert joined[name].equals(joined[f"{name}_gold"].alias(name)), name
    assert frame["session"].max() == gold.sessions[-8]
    assert frame.height == 113 * 12 - 2


def test_corrections_count_from_when_they_were_known(chain: Chain, frame: pl.DataFrame) -> None:
    gold = chain.gold
    assert row_of(frame, "S00", gold.sessions[50])[DAILY[0]] != 99.0
    assert row_of(frame, "S01", gold.sessions[51])
    assert row_of(frame, "S02", gold.sessions[52]) == {}
    assert row_of(frame, "S04", gold.sessions[53])["label"] == 0.5
    assert row_of(frame, "S05", gold.sessions[-20])["label"] != 0.5
    assert row_of(frame, "S06", gold.sessions[54]) == {}


def test_text_features_are_null_where_nothing_was_said(chain: Chain, frame: pl.DataFrame) -> None:
    name = find_view("features_text").features[0].name
    said = frame.filter(pl.col(name).is_not_null()).select("symbol", "session")
    expected = chain.gold.text.select("symbol", "session").join(frame, on=["symbol", "session"], how="semi")
    assert said.equals(expected.sort("session", "symbol"))


def test_crash_between_ledger_and_alias_is_mended_by_the_next_run(chain: Chain) -> None:
    promote = chain.reports["promote"]
    assert (promote.status, promote.rows_out) == ("unchanged", 0)
    kinds = [
        entry.kind for entry in read_ledger(chain.context.lake) if entry.as_of == chain.gold.sessions[-6]
    ]
    assert kinds == ["rejection", "acceptance", "bootstrap"]
    assert tracking_of(chain.context).champion() is not None


def test_a_result_that_is_too_good_waits_for_a_persons_word(chain: Chain) -> None:
    stopped = chain.reports["stopped"]
    assert (stopped.status, stopped.exit_code) == ("nothing_to_do", 99)
    assert stopped.details["decision"] == "rejection"
    assert "is above the leak bound 0.0500: look for a leak" in stopped.details["why"]
    rejection, acceptance, bootstrap = read_ledger(chain.context.lake)[:3]
    assert (rejection.numbers["leak_bound"], rejection.numbers["accepted_suspect"]) == (0.05, False)
    assert (acceptance.why, acceptance.model_key) == ("the alpha was planted", bootstrap.model_key)
    assert bootstrap.numbers["accepted_suspect"]
    before = read_ledger(chain.context.lake)
    chain.accept(-6)
    assert read_ledger(chain.context.lake) == before


def test_first_model_is_installed_with_its_numbers(chain: Chain) -> None:
    train, evaluate, promote = (chain.reports[stage] for stage in ("train", "evaluate", "promote"))
    assert (train.status, evaluate.status, promote.status) == ("done", "done", "unchanged")
    assert [row["forecaster"] for row in evaluate.details["holdout"]].count("xgboost v1") == 1
    assert {row["forecaster"] for row in evaluate.details["out_of_fold"]} == {
        "xgboost v1", "zero", "reversal", "momentum", "ridge",
    }  # fmt: skip
    entry = read_ledger(chain.context.lake)[2]
    assert (entry.kind, entry.model_version, entry.as_of) == ("bootstrap", "1", chain.gold.sessions[-6])
    assert list(entry.lost) == promote.details["lost"]
    assert tracking_of(chain.context).champion() == "1"
    described = tracking_of(chain.context).client.get_model_version("bellwether", "1").description
    assert entry.headline() in described


def test_planted_alpha_is_found_out_of_sample(chain: Chain) -> None:
    rows = {row["forecaster"]: row for row in chain.reports["evaluate"].details["out_of_fold"]}
    assert rows["xgboost v1"]["rank_ic"] > 0.1
    assert rows["zero"]["rank_ic"] == 0.0
    assert "look for a leak" in tracking_of(chain.context).version("1").tags["warnings"]


def test_model_is_made_again_byte_for_byte(chain: Chain) -> None:
    again = reproduce(chain.context, "1")
    assert again.succeeded
    assert again.same_code
    assert again.rank_ic["holdout"]["then"] == again.rank_ic["holdout"]["now"]
    assert again.largest_difference == 0.0


@pytest.fixture(scope="module")
def issued(chain: Chain) -> pl.DataFrame:
    """What the first champion issued, asked twice."""
    chain.reports["forecast"] = chain.run("forecast", -6)
    chain.reports["again"] = chain.run("forecast", -6)
    rows = chain.context.lake.scan_table(GOLD_FORECASTS).where(f"session = date'{chain.gold.sessions[-6]}'")
    return chain.context.lake.collect(rows).sort("symbol")


def test_forecasts_are_the_champions_word_for_the_universe(chain: Chain, issued: pl.DataFrame) -> None:
    report, session = chain.reports["forecast"], chain.gold.sessions[-6]
    assert (report.status, report.rows_out, report.details["published"]) == ("done", 11, 11)
    assert "S03" not in issued["symbol"].to_list()
    entry = champion_at(chain.context, session)
    assert entry is not None
    forecaster = load_forecaster(forecaster_folder(load_champion(chain.context, entry).folder))
    spoken = chain.gold.text.select("symbol", "session", *FEATURES[len(DAILY) :])
    rows = chain.gold.daily.join(spoken, on=["symbol", "session"], how="left")
    alone = forecaster.predict(rows.filter((pl.col("session") == session) & (pl.col("symbol") != "S03")))
    assert issued["value"].to_list() == alone.sort("symbol")["value"].to_list()
    assert issued["universe"].unique().to_list() == [11]
    assert sorted(issued["rank"].to_list()) == pytest.approx([(place + 0.5) / 11 for place in range(11)])
    assert issued["issued_at"][0] == chain.context.clock()
    assert issued["decision_at"][0] == CALENDAR.decision_at(session)
    assert issued["cutoff_at"][0] == CALENDAR.cutoff_at(session)
    assert issued["issue"].n_unique() == issued["input_digest"].n_unique() == 1
    assert (report.details["replay"], report.details["replays"]) == (True, 1)
    assert not issued["in_sample"].any()


@pytest.mark.usefixtures("issued")
def test_training_and_issue_see_one_vector_and_nothing_after_the_cut(chain: Chain) -> None:
    context, session = chain.context, chain.gold.sessions[-10]
    report = chain.run("forecast", -6, back=4)
    assert (report.status, report.details["issued_before"]) == ("done", 1)
    scan = context.lake.scan_table(GOLD_FORECASTS).where(f"session = date'{session}'")
    issued = context.lake.collect(scan).sort("symbol")
    trained = read_frame(context, chain.gold.sessions[-1], 1, FEATURES).filter(pl.col("session") == session)
    assert (trained["cutoff_at"] == CALENDAR.cutoff_at(session)).all()
    assert 77.0 not in trained[DAILY[0]]
    entry = champion_at(context, chain.gold.sessions[-6])
    assert entry is not None
    forecaster = load_forecaster(forecaster_folder(load_champion(context, entry).folder))
    again = forecaster.predict(trained).sort("symbol")
    assert issued["symbol"].to_list() == again["symbol"].to_list()
    assert issued["value"].to_list() == again["value"].to_list()
    seen = chain.gold.daily.filter(pl.col("session") == session)
    spoken = chain.gold.text.select("symbol", "session", *FEATURES[len(DAILY) :])
    vectors = seen.join(spoken, on=["symbol", "session"], how="left")
    assert issued["input_digest"][0] == digest_inputs(vectors, session, FEATURES)


@pytest.mark.usefixtures("issued")
def test_the_distributed_engine_makes_the_same_issue(chain: Chain) -> None:
    """Rows are added unless their issue is there: another digest would add the universe again."""
    lake = Lake(chain.context.lake.root, lambda: chain.context.lake.spark, local_rows=0)
    elsewhere, session = replace(chain.context, lake=lake), chain.gold.sessions[-6]
    entry = champion_at(elsewhere, session)
    assert entry is not None
    champion = load_champion(elsewhere, entry)
    chosen = forecasting.choose(elsewhere, SessionRange(start=session, end=session), champion)
    assert forecasting.issue(elsewhere, champion, chosen, [session], chain.context.clock()) == 0


@pytest.mark.usefixtures("issued")
def test_forecasting_again_adds_nothing(chain: Chain) -> None:
    again = chain.reports["again"]
    assert (again.status, again.rows_out, again.details["published"]) == ("unchanged", 0, 0)
    assert (again.details["issued_before"], again.details["replay"]) == (1, False)
    assert again.outputs == again.versions_before


def test_issued_forecasts_stand_in_the_online_store(chain: Chain, issued: pl.DataFrame) -> None:
    shown = open_feature_store(chain.context).online(["S00", "S03"], ISSUED_VIEW)
    expected = row_of(issued, "S00", chain.gold.sessions[-6])["value"]
    assert shown.filter(pl.col("symbol") == "S00")["value"].item() == expected
    assert shown.filter(pl.col("symbol") == "S03")["value"].to_list() in ([], [None])


@pytest.mark.usefixtures("issued")
def test_audit_names_model_data_and_instant(chain: Chain) -> None:
    issue = audit(chain.context, chain.gold.sessions[-6])["issues"][0]
    assert issue["model_version"] == "1"
    assert issue["rows"] == 11
    assert issue["issued_at"] == chain.context.clock()
    assert issue["replay"]
    assert issue["cutoff_at"] == CALENDAR.cutoff_at(chain.gold.sessions[-6])
    assert (len(issue["issue"]), len(issue["input_digest"])) == (16, 64)
    assert set(issue["scored_from"]) >= {"gold.features_daily", "ops.model_ledger"}
    assert issue["trained_from"]["table_versions"]["gold.labels"] >= 1
    text = json.loads(audit_session(chain.context, chain.gold.sessions[-6]))
    assert text["issues"][0]["forecasts"][0]["symbol"] == "S00"


@pytest.mark.usefixtures("issued")
def test_window_leaves_seen_sessions_out_unless_asked_and_marks_them_then(
    chain: Chain, open_home: Callable[..., Context]
) -> None:
    refused = chain.run("forecast", -6, back=30).details
    assert refused["in_sample_refused"] > 0
    assert refused["sessions"] + refused["in_sample_refused"] == 31
    asking = Chain(open_home(chain.context.home.root, "forecast.in_sample=true"), chain.gold)
    report = asking.run("forecast", -6, back=30)
    assert report.details["in_sample_marked"] == refused["in_sample_refused"]
    issued = asking.context.lake.collect(asking.context.lake.scan_table(GOLD_FORECASTS))
    marked = issued.filter(pl.col("in_sample"))["session"].unique()
    assert len(marked) == refused["in_sample_refused"]
    assert max(marked) < min(issued.filter(~pl.col("in_sample"))["session"])


def test_a_symbol_that_comes_late_does_not_join_an_issue(chain: Chain, issued: pl.DataFrame) -> None:
    """As a history load leaves it: dated before the cut, landed after the universe was ranked."""
    session = chain.gold.sessions[-6]
    late = chain.gold.daily.filter((pl.col("symbol") == "S00") & (pl.col("session") == session))
    late = late.with_columns(pl.lit("S99").alias("symbol"))
    append_rows(chain.context.lake, GOLD_FEATURES_DAILY, late)
    append_rows(chain.context.lake, SILVER_BARS, make_bars(late))
    again = chain.run("forecast", -6)
    assert (again.status, again.rows_out) == ("unchanged", 0)
    rows = chain.context.lake.collect(
        chain.context.lake.scan_table(GOLD_FORECASTS).where(f"session = date'{session}'")
    )
    assert rows.sort("symbol").equals(issued)


def test_no_champion_yet_is_nothing_to_do(chain: Chain) -> None:
    report = chain.run("forecast", 40)
    assert report.status == "nothing_to_do"
    assert "no champion" in report.details["why"]


def test_later_models_are_judged_against_the_champion_and_rolled_back(
    chain: Chain, open_home: Callable[..., Context]
) -> None:
    context, last = chain.context, chain.gold.sessions[-1]
    for stage in ("train", "evaluate"):
        report = chain.run(stage, -1)
    chain.accept(-1)
    signed = Chain(open_home(context.home.root, f"tracking.signed_model={'5eed' * 16}"), chain.gold)
    other = signed.run("promote", -1)
    assert (other.status, other.rows_out) == ("nothing_to_do", 0)
    assert other.details["why"].startswith("consent is given for the model 5eed5eed5eed, and the challenger")
    assert "champion xgboost v1" in {row["forecaster"] for row in report.details["holdout"]}
    judged = chain.run("promote", -1)
    entry = read_ledger(context.lake)[-1]
    assert entry.kind in {"promotion", "rejection"}
    assert judged.status == ("done" if entry.installs else "nothing_to_do")
    assert entry.numbers["comparisons"][0]["benchmark"] == "champion xgboost v1"
    again = chain.run("promote", -1)
    assert again.rows_out == 0
    back = roll_back(context, version="2", why="desk wants the new one") if not entry.installs else entry
    assert champion_at(context, last).model_version == "2"  # type: ignore[union-attr]
    withdrawn = roll_back(context, version="1", why="desk saw nonsense")
    assert (withdrawn.kind, withdrawn.as_of, withdrawn.previous_version) == ("rollback", last, "2")
    assert withdrawn.decided_at > back.decided_at
    install_if_published(context)
    assert tracking_of(context).champion() == "1"
    assert roll_back(context, version="1", why="again").entry_id == withdrawn.entry_id
    refused = chain.run("promote", -1)
    assert refused.status == "nothing_to_do"
    assert refused.details["why"].startswith("it was rolled back (desk saw nonsense)")
    assert champion_at(context, chain.gold.sessions[-6]).model_version == "1"  # type: ignore[union-attr]


def test_rollback_needs_a_reason_a_version_and_no_later_decision(chain: Chain) -> None:
    with pytest.raises(BadDataError, match="why='' must say why"):
        roll_back(chain.context, version="1", why="")
    with pytest.raises(BadDataError, match="version='99' of bellwether is not registered by training"):
        roll_back(chain.context, version="99", why="typo")


def test_alias_is_mended_from_the_ledger(chain: Chain) -> None:
    tracking = tracking_of(chain.context)
    tracking.client.delete_registered_model_alias("bellwether", "champion")
    reigning = read_ledger(chain.context.lake)
    assert point_alias(chain.context) == [entry for entry in reigning if entry.installs][-1].model_version
    assert tracking.champion() is not None


@pytest.mark.usefixtures("issued")
def test_what_is_not_complete_is_waited_for_and_then_missed(
    chain: Chain, open_home: Callable[..., Context]
) -> None:
    following = CALENDAR.shift(chain.gold.sessions[-1], 1)
    cut, window = CALENDAR.cutoff_at(following), SessionRange(start=following, end=following)

    def at(now: datetime) -> Context:
        return open_home(chain.context.home.root, now=now)

    with pytest.raises(TransientError, match=f"{following} is cut off at {re.escape(cut.isoformat())}"):
        run_stage(at(cut - timedelta(seconds=1)), "forecast", window)
    waiting = run_stage(at(cut + timedelta(minutes=19)), "forecast", window)
    assert (waiting.status, waiting.exit_code) == ("waiting", 75)
    missed = run_stage(at(cut + timedelta(minutes=20)), "forecast", window)
    assert (missed.status, missed.exit_code) == ("nothing_to_do", 99)
    assert missed.details["missed"] == [str(following)]
    assert f"{following}: 0 symbols known at the cut, 1 needed" in missed.details["why"]
    # Its bars came in time, but nothing was built from them: no later try finds that mended by itself.
    bars = make_bars(chain.gold.daily.filter(pl.col("session") == chain.gold.sessions[-1]))
    came = {"session": pl.lit(following), "known_at": pl.lit(cut), "month": pl.lit(f"{following:%Y-%m}")}
    append_rows(chain.context.lake, SILVER_BARS, bars.with_columns(**came))
    with pytest.raises(BadDataError, match=f"no symbol has a valid feature row of {following}"):
        run_stage(at(cut), "forecast", window)


@pytest.fixture
def on_page(chain: Chain) -> Iterator[Tracking]:
    """What somebody who reaches MLflow alone can write: its versions, tags and files; put back at the end."""
    tracking = tracking_of(chain.context)
    before = {one.version for one in tracking.versions()}
    yield tracking
    for entry in tracking.client.search_model_versions("name = 'bellwether'"):
        if str(entry.version) not in before:
            tracking.client.delete_model_version("bellwether", str(entry.version))


def forge(tracking: Tracking, chain: Chain, folder: Path) -> str:
    """Register a model that knows the outcomes, from outside the home, tagged like one of training."""
    last = tracking.version("2")
    run_id = tracking.begin_run(
        "f" * 64, name="forged", tags=dict(last.tags), started_at=chain.context.clock()
    )
    shutil.copytree(tracking.fetch(last.run_id, "card.md").parent, folder)
    frame = pl.read_parquet(folder / "frame" / "frame.parquet")
    told = frame.select("symbol", "session", pl.col("label").alias("value"), "label", "target")
    told.write_parquet(folder / "forecasts" / "holdout.parquet")
    tracking.log_folder(run_id, folder)
    tracking.complete_run(run_id, finished_at=chain.context.clock())
    tags = dict(last.tags) | {"model_key": "f" * 64, "request": "999"}
    return tracking.register(run_id, tags).version


def test_a_version_forged_in_mlflow_is_nobodys_challenger(
    chain: Chain, on_page: Tracking, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = read_ledger(chain.context.lake)
    forged = forge(on_page, chain, tmp_path / "forged")
    by_hand = on_page.client.create_model_version("bellwether", str(tmp_path / "forged" / "model"))
    report = chain.run("promote", -1)
    assert report.details["challenger"] == "xgboost v2"
    assert read_ledger(chain.context.lake) == before
    assert f"versions {forged} are skipped: the lake has no record of training them" in caplog.text
    assert f"version {by_hand.version} is skipped, training has not registered it" in caplog.text
    with pytest.raises(BadDataError, match=f"version {forged} was never champion, and the lake has no rec"):
        roll_back(chain.context, version=forged, why="it is so good")
    with pytest.raises(BadDataError, match=f"version='{by_hand.version}' of bellwether is not registered by"):
        roll_back(chain.context, version=str(by_hand.version), why="it is so good")
    assert read_ledger(chain.context.lake) == before


def numbers_of_the_challenger(chain: Chain) -> dict[str, object]:
    """Return what promotion computes of the challenger, whatever was decided of it before."""
    session = chain.gold.sessions[-1]
    challenger = find_challenger(chain.context, session)
    assert challenger is not None
    window = SessionRange(start=session, end=session)
    current = champion_at(chain.context, session)
    return dict(
        promoting.take_decision(
            chain.context, window, challenger, current, read_ledger(chain.context.lake)
        ).numbers
    )


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("frame/frame.parquet", "is not what xgboost v2 was trained on"),
        ("model/data/forecaster/forecaster.json", "are not those that training recorded for model"),
        ("model/data/forecaster/more.ubj", "are not those that training recorded for model"),
        ("model/lineage.json", ""),
        ("forecasts/holdout.parquet", ""),
        ("evaluation/baselines_holdout.parquet", ""),
    ],
)
def test_files_changed_in_mlflow_are_refused_or_count_for_nothing(
    file: str, said: str, chain: Chain, on_page: Tracking
) -> None:
    before = numbers_of_the_challenger(chain)
    version = on_page.version("2")
    root = on_page.fetch(version.run_id, "card.md").parent
    kept = (root / file).read_bytes() if (root / file).exists() else None
    copies = on_page.folder / "models"
    shutil.rmtree(copies / f"{version.model_key}-v2", ignore_errors=True)
    try:
        flattered(root / file)
        if said:
            with pytest.raises(BadDataError, match=said):
                numbers_of_the_challenger(chain)
        else:
            assert numbers_of_the_challenger(chain) == before
    finally:
        (root / file).unlink()
        if kept is not None:
            (root / file).write_bytes(kept)
    assert numbers_of_the_challenger(chain) == before


def flattered(path: Path) -> None:
    """Change a file as somebody would who wants its model to win, or to seem fitted on less than it was."""
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        better = {"label": pl.col("label") * 2} if "label" in frame.columns else {"value": pl.lit(0.0)}
        better |= {"value": pl.col("label")} if {"label", "value"} <= set(frame.columns) else {}
        frame.with_columns(**better).write_parquet(path)
    elif path.name == "lineage.json":
        record = json.loads(path.read_text()) | {"fitted_until": "2001-01-01T00:00:00+00:00"}
        path.write_text(json.dumps(record))
    else:
        path.write_bytes(path.read_bytes() + b" " if path.exists() else b"another tree")


def test_a_torn_copy_of_a_model_is_fetched_anew(chain: Chain) -> None:
    entry = champion_at(chain.context, chain.gold.sessions[-1])
    assert entry is not None
    file = forecaster_folder(load_champion(chain.context, entry).folder) / "forecaster.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:7])
    assert forecaster_folder(load_champion(chain.context, entry).folder) / "forecaster.json" == file
    assert file.read_bytes() == whole


def test_where_the_champion_cannot_be_asked_nothing_is_installed_for_want_of_one(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = ChampionForecasts(name="champion v1", forecasts=None, unseen=(), why_not="v1 cannot be asked")
    monkeypatch.setattr(promoting, "forecast_champion", lambda *_arguments: mute)
    session = chain.gold.sessions[-1]
    challenger = find_challenger(chain.context, session)
    assert challenger is not None
    flat = forecast_holdout(challenger, challenger.read_frame()).with_columns(value=-pl.col("label"))
    monkeypatch.setattr(promoting, "forecast_holdout", lambda *_arguments: flat)
    decided = promoting.take_decision(
        chain.context,
        SessionRange(start=session, end=session),
        challenger,
        champion_at(chain.context, session),
        read_ledger(chain.context.lake),
    )
    assert decided.kind == "rejection"
    assert "zero" in decided.lost


def test_every_decision_says_whose_process_took_it_and_where(chain: Chain) -> None:
    entries = read_ledger(chain.context.lake)
    assert {(entry.account, entry.host) for entry in entries} == {
        (pwd.getpwuid(os.getuid()).pw_name, socket.gethostname())
    }


@pytest.mark.usefixtures("issued")
def test_an_audit_tells_what_it_can_where_the_record_of_a_model_cannot_be_read(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*_arguments: object) -> None:
        parse_lineage("{")

    monkeypatch.setattr("pipelines.registry.champion.find_trained", torn)
    issue = audit(chain.context, chain.gold.sessions[-6])["issues"][0]
    assert issue["trained_from"]["why"].startswith("the lineage record cannot be read")
    assert issue["inputs_unchanged"] is None
    assert issue["rows"] == 11
