"""One as-of read: on random chains of versions every planner and every caller sees the same vectors.

The reference is a loop over plain rows that shares nothing with the planners: of a row's own session, the
newest version that its instant admits, and nothing where that is a retraction.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features.sessions import INSTANT
from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.report import SessionRange
from pipelines.base.table import TableContract
from pipelines.io.feature_retrieval import read_features
from pipelines.io.lake import Lake
from pipelines.registry.issue import plan_history
from pipelines.registry.training_frame import read_frame
from pipelines.tables.contracts import GOLD_LABELS
from serving.answers import feature_frame
from serving.online.feast_store import FeastOnlineStore
from serving.online.store import ViewFeatures
from tests.gold_tables import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT
from tests.pipelines.synthetic_gold import CALENDAR, FIRST, append_rows
from tests.serving.parts import manifest_of

DAILY = ("mom_return_1d", "vol_realised_20d", "mom_return_5d")
TEXT = ("text_sentiment_mean_1d", "text_count_1d")
NAMES = (TEXT[0], DAILY[2], *DAILY[:2], TEXT[1])
"""Of both views, in an order that is neither's own."""
SYMBOLS = [f"S{index}" for index in range(6)]
DAYS = CALENDAR.sessions(FIRST, CALENDAR.shift(FIRST, 7))
CLOSES = dict(CALENDAR.frame(DAYS[0], DAYS[-1]).select("session", "event_timestamp").iter_rows())
MICRO = timedelta(microseconds=1)
KEY = ["symbol", "session", "instant"]


@dataclass(frozen=True)
class Version:
    """One version of one view's vector."""

    symbol: str
    session: date
    known_at: datetime
    valid: bool
    values: tuple[float | None, ...]


Vector = dict[str, float | None]


def make_chain(rng: random.Random, symbol: str, session: date, width: int) -> list[Version]:
    """No version, or up to four: prompt or late, corrected, retracted, known exactly at the cut or later."""
    closed, cut = CLOSES[session], CALENDAR.cutoff_at(session)
    delays = [
        timedelta(minutes=10),
        cut - closed,
        cut - closed + MICRO,
        CALENDAR.decision_at(session) - closed,
        timedelta(days=3),
        CALENDAR.cutoff_at(CALENDAR.shift(session, 2)) - closed,
        timedelta(days=30),
    ]
    prompt = delays[:1] if rng.random() < 0.7 else []
    times = sorted({*prompt, *rng.sample(delays, rng.choice([0, 0, 1, 2, 3]))})
    versions = []
    for delay in times:
        valid = rng.random() < 0.75
        values = [round(rng.gauss(0, 1), 6) if valid and rng.random() < 0.9 else None for _ in range(width)]
        versions.append(Version(symbol, session, closed + delay, valid, tuple(values)))
    return versions


def to_rows(contract: TableContract, names: Iterable[str], versions: list[Version]) -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "symbol": one.symbol,
            "session": one.session,
            "event_timestamp": CLOSES[one.session],
            "known_at": one.known_at,
            "valid": one.valid,
            "month": f"{one.session:%Y-%m}",
            **dict(zip(names, one.values, strict=True)),
        }
        for one in versions
    ]
    schema = {"event_timestamp": INSTANT, "known_at": INSTANT, **dict.fromkeys(names, pl.Float64)}
    frame = pl.DataFrame(rows, schema_overrides=schema)
    absent = [name for name in contract.columns if name not in frame.columns]
    return frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent)


@dataclass(frozen=True)
class World:
    """A home with both gold tables and labels, and the same versions as plain rows."""

    context: Context
    daily: list[Version]
    text: list[Version]
    rng: random.Random

    def vector(self, symbol: str, session: date, instant: datetime) -> Vector | None:
        """The reference: what was known of a symbol's session at an instant, None where nothing was."""
        primary = newest(self.daily, symbol, session, instant)
        if primary is None or not primary.valid:
            return None
        said = newest(self.text, symbol, session, instant)
        texts = said.values if said is not None and said.valid else (None,) * len(TEXT)
        known = dict(zip((*DAILY, *TEXT), (*primary.values, *texts), strict=True))
        return {name: known[name] for name in NAMES}

    def expected(self, rows: Iterable[tuple[str, date, datetime]]) -> pl.DataFrame:
        found = [
            {**dict(zip(KEY, row, strict=True)), **vector}
            for row in rows
            if (vector := self.vector(*row)) is not None
        ]
        schema = {"symbol": pl.String, "session": pl.Date, "instant": INSTANT}
        return pl.DataFrame(found, schema=schema | dict.fromkeys(NAMES, pl.Float64)).sort(KEY)

    def instants(self) -> list[datetime]:
        """Instants at, just before and just after something becomes known, every cut and every decision."""
        known = sorted({one.known_at for one in (*self.daily, *self.text)})
        near = [instant + offset for instant in known for offset in (-MICRO, timedelta(), MICRO)]
        cuts = [CALENDAR.cutoff_at(session) for session in DAYS]
        return [*near, *cuts, *(CALENDAR.decision_at(session) for session in DAYS)]


def newest(versions: list[Version], symbol: str, session: date, instant: datetime) -> Version | None:
    chosen = None
    for one in versions:
        mine = (one.symbol, one.session) == (symbol, session) and one.known_at <= instant
        if mine and (chosen is None or one.known_at > chosen.known_at):
            chosen = one
    return chosen


def make_labels() -> pl.DataFrame:
    """A label of every symbol and session, known when the last session closes at the latest."""
    rows = [
        {
            "symbol": symbol,
            "session": session,
            "horizon": 1,
            "event_timestamp": CLOSES[session],
            "label_end": CLOSES[session] + timedelta(hours=1),
            "known_at": CLOSES[session] + timedelta(hours=2),
            "valid": True,
            "value": 0.01 * place,
            "month": f"{session:%Y-%m}",
        }
        for session in DAYS
        for place, symbol in enumerate(SYMBOLS)
    ]
    instants = dict.fromkeys(("event_timestamp", "label_end", "known_at"), INSTANT)
    return pl.DataFrame(rows, schema_overrides=instants | {"horizon": pl.Int32})


@pytest.fixture(scope="module", params=[1, 2, 3])
def world(
    request: pytest.FixtureRequest,
    open_home: Callable[..., Context],
    tmp_path_factory: pytest.TempPathFactory,
) -> World:
    rng = random.Random(request.param)
    pairs = [(symbol, session) for symbol in SYMBOLS for session in DAYS]
    daily = [version for pair in pairs for version in make_chain(rng, *pair, len(DAILY))]
    text = [version for pair in pairs for version in make_chain(rng, *pair, len(TEXT))]
    context = open_home(tmp_path_factory.mktemp("as_of"))
    for contract, names, versions in (
        (GOLD_FEATURES_DAILY, DAILY, daily),
        (GOLD_FEATURES_TEXT, TEXT, text),
    ):
        append_rows(context.lake, contract, to_rows(contract, names, versions))
    append_rows(context.lake, GOLD_LABELS, make_labels())
    return World(context, daily, text, rng)


def rows_frame(rows: Iterable[tuple[Any, ...]], columns: list[str]) -> pl.DataFrame:
    schema = {"symbol": pl.String, "session": pl.Date, "instant": INSTANT}
    kept = {name: schema[name] for name in columns}
    return pl.DataFrame(list(rows), schema=kept, orient="row").unique(maintain_order=True)


def distributed(context: Context) -> Context:
    """The same home opened so that nothing is small: every read is the distributed engine's."""
    lake = Lake(context.lake.root, lambda: context.lake.spark, local_rows=0)
    return replace(context, lake=lake)


def read(context: Context, rows: pl.DataFrame) -> pl.DataFrame:
    answer = read_features(context, rows, NAMES)
    here = answer if isinstance(answer, pl.DataFrame) else context.lake.collect(answer)
    assert here.columns == [*dict.fromkeys(["symbol", *rows.columns]), *NAMES]
    return here.select(*KEY, *NAMES).sort(KEY)


def test_both_planners_return_what_a_plain_loop_finds(world: World) -> None:
    pairs = [(symbol, session) for symbol in [*SYMBOLS, "NEVER"] for session in DAYS]
    asked = [(*pair, world.rng.choice(world.instants())) for pair in pairs for _ in range(6)]
    rows = rows_frame(asked, KEY)
    expected = world.expected(rows.iter_rows())
    assert 20 < expected.height < rows.height
    here = read_features(world.context, rows, NAMES)
    assert isinstance(here, pl.DataFrame)
    assert_frame_equal(here.select(*KEY, *NAMES).sort(KEY), expected, check_exact=True)
    assert not isinstance(read_features(distributed(world.context), rows, NAMES), pl.DataFrame)
    assert_frame_equal(read(distributed(world.context), rows), expected, check_exact=True)


def test_a_row_without_a_symbol_asks_for_every_symbol(world: World) -> None:
    """Also as a sequence model asks: many sessions at one instant."""
    decided = CALENDAR.decision_at(DAYS[5])
    later = [(session, world.rng.choice(world.instants())) for session in DAYS for _ in range(3)]
    rows = rows_frame([*((session, decided) for session in DAYS[1:6]), *later], KEY[1:])
    expected = world.expected((symbol, *row) for row in rows.iter_rows() for symbol in SYMBOLS)
    assert_frame_equal(read(world.context, rows), expected, check_exact=True)
    assert_frame_equal(read(distributed(world.context), rows), expected, check_exact=True)


def test_columns_of_the_rows_never_pass_for_the_versions_own(world: World) -> None:
    """Rows may bring a `known_at`, a `valid` and an `event_timestamp` of their own."""
    decided = CALENDAR.decision_at(DAYS[4])
    rows = rows_frame([(symbol, DAYS[4], decided) for symbol in SYMBOLS], KEY)
    expected = world.expected(rows.iter_rows())
    long_ago = pl.lit(decided - timedelta(days=4000), INSTANT)
    named = rows.with_columns(
        known_at=long_ago, event_timestamp=long_ago, valid=pl.lit(value=True), extra=pl.lit(7)
    )
    for context in (world.context, distributed(world.context)):
        answer = read(context, named)
        assert_frame_equal(answer, expected, check_exact=True)


def test_nothing_asked_is_nothing_answered(world: World) -> None:
    for context in (world.context, distributed(world.context)):
        answer = read_features(context, rows_frame([], KEY[1:]), NAMES)
        assert isinstance(answer, pl.DataFrame)
        assert answer.columns == [*KEY, *NAMES]
        assert answer.is_empty()


def test_train_forecast_and_service_see_one_vector(world: World) -> None:
    trained = read_frame(world.context, DAYS[-1], 1, NAMES)
    compared = 0
    for session in DAYS[:-1]:
        cut = CALENDAR.cutoff_at(session)
        expected = world.expected((symbol, session, cut) for symbol in SYMBOLS).drop("instant")
        of_training = trained.filter(pl.col("session") == session)
        for frame in (
            of_training,
            forecast_frame(world.context, session),
            served_frame(world.context, session),
        ):
            seen = frame.select("symbol", "session", pl.col(NAMES).cast(pl.Float32)).sort("symbol")
            wanted = expected.with_columns(pl.col(NAMES).cast(pl.Float32))
            assert_frame_equal(seen, wanted, check_exact=True)
        compared += expected.height
    assert compared > 15


def forecast_frame(context: Context, session: date) -> pl.DataFrame:
    """What the forecast stage reads of a session, of which a sequence model looks at three."""
    known = CALENDAR.frame(CALENDAR.shift(session, -2), session)
    rows = read_features(context, plan_history([session], known, 3), NAMES, at="cutoff_at")
    assert isinstance(rows, pl.DataFrame)
    return rows.filter(pl.col("session") == session)


def served_frame(context: Context, session: date) -> pl.DataFrame:
    """What the service computes from once the session is published: valid rows of that session."""
    run_stage(context, "materialize", SessionRange(start=session, end=session))
    views = (
        ViewFeatures(name="features_daily", features=DAILY),
        ViewFeatures(name="features_text", features=TEXT),
    )
    store = FeastOnlineStore(context.settings.feature_store, context.home.feast)
    rows = store.read(SYMBOLS, views)
    answered = rows.views["features_daily"].filter(pl.col("valid") & (pl.col("session") == session))
    frame = feature_frame(rows, manifest_of(feature_names=NAMES, views=views))
    return frame.join(answered.select("symbol"), on="symbol", how="semi")
