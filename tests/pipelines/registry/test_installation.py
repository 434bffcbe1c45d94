"""A decision is prepared, committed and followed; whatever comes between leaves one champion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, TransientError, UnavailableError
from pipelines.cli.audit import audit
from pipelines.io.bento import BentoRepository
from pipelines.io.feature_store import open_feature_store
from pipelines.io.running_service import recorded_service
from pipelines.io.tracking import Tracking
from pipelines.registry import bento_contents
from pipelines.registry.champion import champion_at, load_champion, tracking_of
from pipelines.registry.installation import (
    commit,
    install,
    install_if_published,
    prepare,
    raise_if_unfollowed,
)
from pipelines.registry.issue import read_issued
from pipelines.registry.ledger import LedgerEntry, append_entry, ledger_head, next_instant, read_ledger
from pipelines.registry.places import compare_places
from pipelines.registry.rollback import roll_back
from pipelines.tables.contracts import GOLD_FORECASTS
from serving.online.feast_config import PUBLISHED_FILE
from serving.online.rows import ISSUED_FORECASTS
from serving.served_model import FORECASTER_FOLDER, write_manifest
from tests.gold_tables import GOLD_FEATURES_DAILY
from tests.pipelines.champions import ROW, SEQUENCE, SYMBOLS, fill_home, make_model
from tests.pipelines.synthetic_gold import Gold, append_rows

SETTINGS = ("install.parity_symbols=10", "completeness.min_symbols=10", "install.acknowledge_seconds=0.3")


@pytest.fixture(scope="module")
def before(open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Gold]:
    """A home as `fill_home` leaves it."""
    context = open_home(tmp_path_factory.mktemp("before"), *SETTINGS)
    return context.home.root, fill_home(context)


@pytest.fixture
def gold(before: tuple[Path, Gold]) -> Gold:
    """What the home's features were made from."""
    return before[1]


@pytest.fixture
def context(open_home: Callable[..., Context], before: tuple[Path, Gold], tmp_path: Path) -> Context:
    """The same home, this test's own."""
    shutil.copytree(before[0], tmp_path / "home")
    return open_home(tmp_path / "home", *SETTINGS)


def online(context: Context) -> set[str]:
    """Whose forecasts the online store holds."""
    return set(open_feature_store(context).online(SYMBOLS, ISSUED_FORECASTS)["model_version"])


def decide(context: Context, as_of: date, version: str = SEQUENCE, kind: str = "promotion") -> LedgerEntry:
    """A decision for a version, not written yet."""
    entries = read_ledger(context.lake)
    return LedgerEntry(
        entry_id=f"{kind}-{version}", kind=kind, as_of=as_of, model_key=version * 64, model_version=version,  # type: ignore[arg-type]
        previous_version=ROW, who="tests", why="better", numbers={},
        decided_at=next_instant(entries, context.clock()),
    )  # fmt: skip


def test_a_sequence_model_answers_from_its_commit_on(context: Context, gold: Gold) -> None:
    last, repository = gold.sessions[-1], BentoRepository(context.home.bento)
    former, entry = repository.current(), decide(context, gold.sessions[-1])
    prepared = prepare(context, load_champion(context, entry))
    assert (prepared.session, sorted(prepared.issued["symbol"])) == (last, SYMBOLS)
    assert repository.current() == former
    assert read_issued(context, prepared.champion, last).is_empty()
    assert compare_places(context).differences == ()

    written = commit(context, entry, head=ledger_head(read_ledger(context.lake)), prepared=prepared)
    assert champion_at(context, last) == read_ledger(context.lake)[-1]
    assert written.model_version == SEQUENCE
    issued = read_issued(context, prepared.champion, last)
    assert sorted(issued["symbol"]) == SYMBOLS
    assert set(issued["issued_at"]) == {context.clock()}
    pointer = repository.current()
    assert pointer is not None
    brought = pl.read_parquet(repository.folder / pointer.issued)
    assert brought.sort("symbol").equals(issued.select(brought.columns).sort("symbol"))
    assert online(context) == {ROW}, "the former champion answers until the service has changed over"

    installed = install(context)
    assert installed is not None
    assert installed.details["published"] == 12
    assert online(context) == {SEQUENCE}
    assert compare_places(context).describe() == {
        "ledger": SEQUENCE, "alias": SEQUENCE, "pointer": SEQUENCE, "service": None, "address": None,
        "why_not_ready": None, "differences": [],
    }  # fmt: skip
    again = install(context)
    assert again is not None
    assert (again.changed, again.unfollowed) == (False, "")


def test_rolled_back_what_the_former_champion_had_issued_is_served_again(context: Context) -> None:
    assert roll_back(context, version=SEQUENCE, why="looks better").model_version == SEQUENCE
    install_if_published(context)
    assert online(context) == {SEQUENCE}
    roll_back(context, version=ROW, why="looks worse")
    install_if_published(context)
    assert online(context) == {ROW}
    pointer = BentoRepository(context.home.bento).current()
    assert pointer is not None
    assert (pointer.model_version, pointer.issued, pointer.decision) == (ROW, "", "rollback")
    assert [entry.kind for entry in read_ledger(context.lake)] == ["promotion", "rollback", "rollback"]


def test_a_decision_that_another_one_overtook_is_not_written(context: Context, gold: Gold) -> None:
    last = gold.sessions[-1]
    entry, head = decide(context, last), ledger_head(read_ledger(context.lake))
    prepared = prepare(context, load_champion(context, entry))
    append_entry(context.lake, decide(context, last, ROW, "rollback"))
    with pytest.raises(TransientError, match="another decision about the champion was taken meanwhile"):
        commit(context, entry, head=head, prepared=prepared)
    assert [one.model_version for one in read_ledger(context.lake)] == [ROW, ROW]


def test_what_was_prepared_for_another_session_is_not_committed(
    context: Context, gold: Gold, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, head = decide(context, gold.sessions[-1]), ledger_head(read_ledger(context.lake))
    prepared = prepare(context, load_champion(context, entry))
    store = open_feature_store(context)
    following = context.calendar.shift(gold.sessions[-1], 1)
    rows = gold.daily.filter(pl.col("session") == gold.sessions[-1]).with_columns(session=pl.lit(following))
    store.record_publication(rows, session=following, at=context.clock())
    with pytest.raises(TransientError, match=r"another session than .* was published meanwhile"):
        commit(context, entry, head=head, prepared=prepared)
    assert len(read_ledger(context.lake)) == 1


def test_a_recorded_service_that_does_not_follow_is_said_and_completed_later(context: Context) -> None:
    context.home.services_record.parent.mkdir(exist_ok=True)
    context.home.services_record.write_text(
        '{"started": [{"name": "forecasts", "address": "http://127.0.0.1:9"}]}'
    )
    roll_back(context, version=SEQUENCE, why="looks better")
    installed = install(context)
    with pytest.raises(TransientError, match=r"forecast service at .*:9 does not answer .* `bellwether up`"):
        raise_if_unfollowed(installed)
    assert online(context) == {ROW}, "who may still answer with the former champion finds its forecasts"
    assert compare_places(context).differences == (
        "the forecast service at http://127.0.0.1:9 does not answer",
    )
    context.home.services_record.unlink()
    installed = install(context)
    assert installed is not None
    assert installed.details["published"] == 12


def test_each_place_that_does_not_follow_is_named(context: Context, gold: Gold) -> None:
    append_entry(context.lake, decide(context, gold.sessions[-1]))
    assert compare_places(context).differences == (
        "MLflow's alias names version 1",
        "the pointer to the Bento names version 1",
    )
    installed = install(context)
    assert installed is not None
    assert installed.changed
    assert compare_places(context).differences == ()
    tracking_of(context).set_champion(ROW)
    assert compare_places(context).differences == ("MLflow's alias names version 1",)
    install(context)
    assert compare_places(context).differences == ()


def test_a_session_that_was_incomplete_at_its_cut_is_not_issued_by_a_promotion_either(
    open_home: Callable[..., Context], context: Context, gold: Gold
) -> None:
    stricter = open_home(context.home.root, *SETTINGS, "completeness.min_symbols=13")
    entry = decide(stricter, gold.sessions[-1])
    with pytest.raises(BadDataError, match="version 2 has no batch forecasts for"):
        prepare(stricter, load_champion(stricter, entry))


def test_forecasts_of_a_late_promotion_are_dated_when_they_were_made(
    open_home: Callable[..., Context], context: Context, gold: Gold
) -> None:
    late = context.clock() + timedelta(days=3)
    later = open_home(context.home.root, *SETTINGS, now=late)
    roll_back(later, version=SEQUENCE, why="looks better", as_of=gold.sessions[-1])
    entry = champion_at(later, gold.sessions[-1])
    assert entry is not None
    issued = read_issued(later, load_champion(later, entry), gold.sessions[-1])
    stamps: set[datetime] = set(issued["issued_at"])
    assert stamps == {late}
    assert (issued["issued_at"] > issued["decision_at"]).all()


def test_a_lost_file_of_forecasts_is_said_and_written_again(context: Context) -> None:
    roll_back(context, version=SEQUENCE, why="looks better")
    install(context)
    repository = BentoRepository(context.home.bento)
    pointer = repository.current()
    assert pointer is not None
    content = (repository.folder / pointer.issued).read_bytes()
    for damage in (None, b"", content[:100]):
        (repository.folder / pointer.issued).unlink()
        if damage is not None:
            (repository.folder / pointer.issued).write_bytes(damage)
        assert compare_places(context).differences == (
            f"{pointer.tag}, which the pointer names, is not whole",
        )
        install(context)
        assert (repository.folder / pointer.issued).read_bytes() == content
        assert compare_places(context).differences == ()


def test_features_built_while_a_sequence_model_was_scored_are_scored_again(
    context: Context, gold: Gold
) -> None:
    entry, head = decide(context, gold.sessions[-1]), ledger_head(read_ledger(context.lake))
    prepared = prepare(context, load_champion(context, entry))
    corrected = gold.daily.filter(pl.col("session") == gold.sessions[-1]).with_columns(
        pl.col("known_at") + timedelta(days=1)
    )
    append_rows(context.lake, GOLD_FEATURES_DAILY, corrected)
    with pytest.raises(TransientError, match="features were built meanwhile"):
        commit(context, entry, head=head, prepared=prepared)
    assert len(read_ledger(context.lake)) == 1
    again = prepare(context, load_champion(context, entry))
    assert commit(context, entry, head=head, prepared=again).model_version == SEQUENCE


def test_what_the_model_has_issued_meanwhile_is_what_stands(context: Context, gold: Gold) -> None:
    entry, head = decide(context, gold.sessions[-1]), ledger_head(read_ledger(context.lake))
    prepared = prepare(context, load_champion(context, entry))
    other = prepared.issued.with_columns(pl.lit("of the forecast stage").alias("issue"))
    append_rows(context.lake, GOLD_FORECASTS, other)
    commit(context, entry, head=head, prepared=prepared)
    issued = read_issued(context, prepared.champion, gold.sessions[-1])
    assert set(issued["issue"]) == {"of the forecast stage"}
    assert install(context) is not None


def test_a_bento_whose_forecaster_is_damaged_is_not_installed(
    context: Context, gold: Gold, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damage(staged: Path, manifest: Any) -> None:
        write_manifest(staged, manifest)
        for file in (staged / FORECASTER_FOLDER).rglob("*.safetensors"):
            file.write_bytes(b"garbage")

    monkeypatch.setattr(bento_contents, "write_manifest", damage)
    with pytest.raises(Exception, match=r"(?i)header|deserializ"):
        prepare(context, load_champion(context, decide(context, gold.sessions[-1])))


def test_without_a_publication_a_withdrawn_model_does_not_come_back(context: Context) -> None:
    make_model(context, "3", date(2016, 1, 15))
    (context.home.feast / PUBLISHED_FILE).unlink()
    roll_back(context, version="3", why="the other one is wrong")
    assert install(context) is not None
    places = compare_places(context)
    assert (places.ledger, places.pointer, places.differences) == ("3", "3", ())


def test_mlflow_that_does_not_answer_holds_up_the_alias_alone(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object) -> None:
        msg = "MLflow is away"
        raise UnavailableError(msg)

    monkeypatch.setattr(Tracking, "set_champion", away)
    roll_back(context, version=SEQUENCE, why="looks better")
    with pytest.raises(UnavailableError, match="MLflow is away"):
        install(context)
    assert online(context) == {SEQUENCE}
    assert compare_places(context).differences == ("MLflow's alias names version 1",)


def test_a_stack_that_another_machine_has_recorded_is_not_asked(context: Context) -> None:
    record = {"host": "elsewhere", "started": [{"name": "forecasts", "address": "http://127.0.0.1:9"}]}
    context.home.services_record.parent.mkdir(exist_ok=True)
    context.home.services_record.write_text(json.dumps(record))
    assert recorded_service(context.home) is None
    installed = install(context)
    assert installed is not None
    assert installed.unfollowed == ""


def test_an_audit_finds_what_a_decision_was_issued_from(context: Context, gold: Gold) -> None:
    roll_back(context, version=SEQUENCE, why="looks better")
    issues = audit(context, gold.sessions[-1])["issues"]
    (ours,) = [issue for issue in issues if issue["model_version"] == SEQUENCE]
    assert set(ours["scored_from"]) == {"gold.features_daily", "gold.features_text"}
    assert ours["inputs_unchanged"]
