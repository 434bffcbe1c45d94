"""Which feeds a home reads: a primary one of each kind, others beside; when the primary one may change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.errors import SettingsError
from pipelines.io.sources.feeds import open_feeds, price_basis_of, primary_feed
from pipelines.tables.contracts import BRONZE_BARS
from tests.pipelines.io.sources.requests import without_spark
from tests.pipelines.table_rows import rows_of

WIRE = "kind: files, calendar: XNYS, timezone: America/New_York"
VENDOR = f"sources.vendor={{{WIRE}, bars: bars.csv, texts: texts.csv, price_basis: total_return}}"
NEWS = f"sources.news={{{WIRE}, texts: news.csv}}"


def opened(folder: Path, *overrides: str) -> Context:
    settings, _ = load_settings(overrides=[VENDOR, NEWS, *overrides])
    clock = lambda: datetime(2024, 1, 5, tzinfo=UTC)  # noqa: E731
    return replace(open_context(settings, folder, clock=clock), lake=without_spark(folder))


def feeds_of(context: Context) -> list[tuple[str, str, bool, bool]]:
    return [(feed.kind, feed.source.name, feed.primary, feed.required) for feed in open_feeds(context)]


def test_bars_of_one_source_and_texts_of_another(tmp_path: Path) -> None:
    context = opened(tmp_path, "feeds.texts=news")
    assert feeds_of(context) == [("bars", "simulated", True, True), ("texts", "news", True, False)]
    assert price_basis_of(context) == "raw"
    feed = primary_feed(context, "texts")
    assert feed is not None
    assert feed.provision == feed.source.provides["texts"]


def test_further_sources_stand_beside_in_the_order_named(tmp_path: Path) -> None:
    context = opened(tmp_path, "feeds.beside=[news, vendor, simulated]", "feeds.texts=vendor")
    assert feeds_of(context) == [
        ("bars", "simulated", True, True),
        ("texts", "vendor", True, False),
        ("texts", "news", False, False),
        ("bars", "vendor", False, False),
        ("texts", "simulated", False, False),
    ]
    of_vendor = [feed.source for feed in open_feeds(context) if feed.source.name == "vendor"]
    assert of_vendor[0] is not None


def test_texts_may_be_required(tmp_path: Path) -> None:
    context = opened(tmp_path, "feeds.required=[bars, texts]")
    assert [feed.required for feed in open_feeds(context)] == [True, True]


def test_actions_stand_between_bars_and_texts(tmp_path: Path) -> None:
    ledger = f"sources.ledger={{{WIRE}, actions: actions.csv}}"
    required = "feeds.required=[bars, actions]"
    context = opened(tmp_path, ledger, "feeds.actions=ledger", "feeds.texts=news", required)
    assert feeds_of(context) == [
        ("bars", "simulated", True, True),
        ("actions", "ledger", True, True),
        ("texts", "news", True, False),
    ]
    feed = primary_feed(context, "actions")
    assert feed is not None
    assert feed.provision.price_basis is None


def test_a_source_that_delivers_no_actions_has_no_feed_of_them(tmp_path: Path) -> None:
    assert primary_feed(opened(tmp_path, "feeds.actions=news"), "actions") is None


@pytest.mark.parametrize("override", ["feeds.texts=null", "feeds.texts=files"], ids=["named", "provided"])
def test_no_texts(override: str, tmp_path: Path) -> None:
    context = opened(tmp_path, override)
    assert primary_feed(context, "texts") is None
    assert feeds_of(context) == [("bars", "simulated", True, True)]


@pytest.mark.parametrize("role", ["bars", "texts", "beside"])
def test_a_feed_of_another_calendar_stops_the_run(role: str, tmp_path: Path) -> None:
    named = "feeds.beside=[vendor]" if role == "beside" else f"feeds.{role}=vendor"
    context = opened(tmp_path, named, "sources.vendor.calendar=XLON")
    said = r"calendar\.name='XNYS', but sources\.vendor\.calendar='XLON'.* set calendar\.name=XLON"
    with pytest.raises(SettingsError, match=said) as raised:
        open_feeds(context)
    assert raised.value.exit_code == 78


def test_a_source_that_delivers_nothing_has_no_calendar_to_agree(tmp_path: Path) -> None:
    context = opened(tmp_path, "feeds.texts=files", "sources.files.calendar=XLON")
    assert feeds_of(context) == [("bars", "simulated", True, True)]


def test_two_names_of_one_calendar_agree(tmp_path: Path) -> None:
    assert len(open_feeds(opened(tmp_path, "calendar.name=NYSE"))) == 2


def test_primary_bars_change_to_a_source_that_has_landed_beside_alone(tmp_path: Path) -> None:
    context = opened(tmp_path, "feeds.bars=vendor")
    context.lake.append(BRONZE_BARS, rows_of(BRONZE_BARS, {"source": ["simulated"], "batch_id": ["b"]}))
    with pytest.raises(
        SettingsError, match=r"feeds\.bars='vendor', .* holds bars of simulated alone; .*beside"
    ):
        open_feeds(context)
    context.lake.append(BRONZE_BARS, rows_of(BRONZE_BARS, {"source": ["vendor"], "batch_id": ["c"]}))
    assert price_basis_of(context) == "total_return"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("feeds.beside=[nobody]", r"feeds.beside='nobody' must be a key of sources: files, news, simulated"),
        ("feeds.beside=[news, news]", r"feeds.beside=\['news', 'news'\] must name each source once"),
        ("feeds.actions=nobody", "feeds.actions='nobody' must be a key of sources"),
        ("feeds.required=[bars, actions]", "feeds.required names actions"),
        ("feeds.required=[quotes]", "feeds.required names quotes; it may name bars and"),
        ("feeds={bars: simulated, texts: null, required: [texts]}", "feeds.required names texts"),
        ("sources.files.arrival=file_name", r"arrival_pattern='' must say where the instant stands"),
        ("sources.files.arrival_pattern='%Y'", r"arrival_pattern='%Y' must say .*and be empty otherwise"),
        (
            "sources.files={arrival: file_name, arrival_pattern: '%H%M'}",
            "arrival_pattern='%H%M' must hold year, month and day",
        ),
    ],
)
def test_wrong_settings_name_the_key_and_what_is_allowed(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        opened(tmp_path, override)
