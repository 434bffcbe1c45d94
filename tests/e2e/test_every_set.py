"""What happens to bars reaches every feature set: a restated, a split and a retracted bar, at five as-ofs.

A vendor's files, with the hour of arrival on every record, are all that the homes are given. One home reads
them as they come, five sessions in turn, the other all at once at the end. Some features are worked out
anew from the files by pandas, which shares no code with the platform.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from features.sessions import SessionCalendar
from features.views import feature_views
from pipelines.app.runner import open_context, run_stage
from pipelines.app.settings import load_settings
from pipelines.base.report import SessionRange
from pipelines.tables.contracts import GOLD_LABELS
from serving.online.feast_store import FeastOnlineStore

pytestmark = pytest.mark.replay
CALENDAR = SessionCalendar()
DAYS = CALENDAR.sessions(date(2022, 3, 1), CALENDAR.shift(date(2022, 3, 1), 89))
AS_OFS = DAYS[-5:]
RESTATED, SPLIT, RETRACTED = ("CCC", DAYS[-11]), ("BBB", DAYS[-3]), ("DDD", DAYS[-2])
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
BAR_VIEWS = ("features_daily", "features_alpha158")
SETS = load_settings()[0].features.sets
PRICES = ["open", "high", "low", "close"]
KEY = ["symbol", "session"]


def true_bars() -> pd.DataFrame:
    """Bars as they turn out in the end, each in the units of its session; the retracted one is among them."""
    random = np.random.default_rng(11)
    parts = []
    for place, symbol in enumerate(SYMBOLS):
        close = 50.0 * (place + 1) * np.exp(np.cumsum(random.normal(0, 0.012, len(DAYS))))
        open_ = close * np.exp(random.normal(0, 0.004, len(DAYS)))
        top = np.maximum(open_, close) * np.exp(np.abs(random.normal(0, 0.003, len(DAYS))))
        low = np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, 0.003, len(DAYS))))
        volume = np.round(np.exp(random.normal(11, 0.3, len(DAYS))))
        part = pd.DataFrame({"open": open_, "high": top, "low": low, "close": close, "volume": volume})
        parts.append(part.assign(symbol=symbol, session=DAYS).round(4))
    bars = pd.concat(parts, ignore_index=True)
    split = (bars.symbol == SPLIT[0]) & (bars.session >= SPLIT[1])
    bars.loc[split, PRICES] = (bars.loc[split, PRICES] / 2).round(4)
    bars.loc[split, "volume"] *= 2
    return bars


def of(bars: pd.DataFrame, key: tuple[str, date]) -> pd.Series:
    """Tell which rows are of one symbol's session."""
    return (bars.symbol == key[0]) & (bars.session == key[1])


def write_files(folder: Path) -> None:
    """Write a history, a file for each as-of and the split, each record with the hour at which it came."""
    bars = true_bars()
    bars["received_at"] = [CALENDAR.close_at(day) + timedelta(minutes=20) for day in bars.session]
    sent = bars.copy()
    sent.loc[of(sent, RESTATED), [*PRICES, "volume"]] *= 1.02
    sent.loc[of(sent, RETRACTED), PRICES] *= 1.45
    correction = bars[of(bars, RESTATED)].assign(received_at=arrival_of(AS_OFS[1]))
    (folder / "bars").mkdir(parents=True)
    sent[sent.session < AS_OFS[0]].to_csv(folder / "bars" / "history.csv", index=False)
    for day in AS_OFS:
        own = [sent[sent.session == day]] + ([correction] if day == AS_OFS[1] else [])
        pd.concat(own).to_csv(folder / "bars" / f"{day}.csv", index=False)
    told = {"symbol": SPLIT[0], "ex_date": SPLIT[1], "kind": "split", "value": 2.0}
    arrived = CALENDAR.close_at(SPLIT[1]) - timedelta(hours=3)
    pd.DataFrame([told | {"received_at": arrived}]).to_csv(folder / "actions.csv", index=False)


def arrival_of(day: date) -> datetime:
    """Return when a correction of an as-of comes."""
    return CALENDAR.close_at(day) + timedelta(minutes=40)


@dataclass
class Home:
    """A home on the files of a folder, and the clock that it reads."""

    folder: Path
    now: datetime
    context: Any = None
    online: dict[date, dict[str, pl.DataFrame]] = field(default_factory=dict)

    def run(self, stages: tuple[str, ...], first: date, last: date, *, drop: Path) -> None:
        """Run stages on what lies in a folder of files."""
        overrides = [
            "feeds.bars=files", "feeds.texts=files", "feeds.actions=files",
            "sources.files.price_basis=raw", "completeness.min_symbols=2",
            f"sources.files.bars={drop / 'bars'}", f"sources.files.actions={drop / 'actions.csv'}",
        ]  # fmt: skip
        settings, _ = load_settings(overrides=overrides)
        self.context = open_context(settings, self.folder, clock=lambda: self.now)
        for stage in stages:
            run_stage(self.context, stage, SessionRange(start=first, end=last, history=first < last))

    def versions(self, view: str) -> pl.DataFrame:
        """Return all rows of a view's table, read from its files by another library."""
        table = DeltaTable(self.folder / "lake" / "gold" / view).to_pyarrow_table()
        return pl.from_arrow(table).sort(*KEY, "known_at")  # type: ignore[union-attr,return-value]

    def newest(self, view: str, cut: datetime) -> pl.DataFrame:
        """Return the newest version of each row known at a cut."""
        known = self.versions(view).filter(pl.col("known_at") <= cut)
        return known.unique(KEY, keep="last", maintain_order=True)

    def read_online(self, features: tuple[str, ...]) -> dict[str, pl.DataFrame]:
        """Return what is online of a set, by view."""
        store = FeastOnlineStore(self.context.settings.feature_store, self.context.home.feast)
        by_view = {
            view.name: [one for one in features if one in view.feature_names] for view in feature_views()
        }
        return {
            name: store.read_view(name, SYMBOLS, columns).select("symbol", "session", "valid", *columns)
            for name, columns in by_view.items()
            if columns
        }


BUILD = ("ingest", "curate", "build_features", "materialize")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("every-set") / "files"
    write_files(folder)
    return folder


@pytest.fixture(scope="module")
def daily(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that gets its history, then one session after the other; what is online is kept of each."""
    folder = tmp_path_factory.mktemp("daily")
    drop = folder / "drop"
    (drop / "bars").mkdir(parents=True)
    home = Home(folder / "home", now=CALENDAR.cutoff_at(DAYS[-6]))
    (drop / "bars" / "history.csv").write_bytes((files / "bars" / "history.csv").read_bytes())
    pd.read_csv(files / "actions.csv").head(0).to_csv(drop / "actions.csv", index=False)
    home.run(BUILD, DAYS[0], DAYS[-6], drop=drop)
    for day in AS_OFS:
        name = f"bars/{day}.csv"
        (drop / name).write_bytes((files / name).read_bytes())
        if day == SPLIT[1]:
            (drop / "actions.csv").write_bytes((files / "actions.csv").read_bytes())
        home.now = CALENDAR.cutoff_at(day) + timedelta(minutes=1)
        home.run(BUILD, day, day, drop=drop)
        home.online[day] = {
            f"{one}/{view}": rows
            for one, features in SETS.items()
            for view, rows in home.read_online(features).items()
        }
    return home


@pytest.fixture(scope="module")
def bulk(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that reads all files at once, after the last cut."""
    home = Home(tmp_path_factory.mktemp("bulk"), now=CALENDAR.cutoff_at(DAYS[-1]) + timedelta(minutes=1))
    home.run(BUILD, DAYS[0], DAYS[-1], drop=files)
    return home


def test_every_view_of_bars_holds_the_same_in_bulk_and_day_by_day(daily: Home, bulk: Home) -> None:
    for table in (*BAR_VIEWS, GOLD_LABELS.name.removeprefix("gold.")):
        assert daily.versions(table).height > 300
        columns = daily.versions(table).columns
        assert_frame_equal(
            daily.versions(table).sort(columns), bulk.versions(table).sort(columns), check_exact=True
        )


@pytest.mark.parametrize("place", range(5))
def test_what_was_online_at_each_as_of_is_what_gold_knew_at_its_cut(daily: Home, place: int) -> None:
    day = AS_OFS[place]
    checked = 0
    for name, online in daily.online[day].items():
        view = name.partition("/")[2]
        if view not in BAR_VIEWS:
            continue
        known = daily.newest(view, CALENDAR.cutoff_at(day)).filter(pl.col("session") == day)
        assert online["session"].unique().to_list() == [day]
        assert_frame_equal(
            online.sort("symbol"), known.select(online.columns).sort("symbol"), check_exact=True
        )
        checked += online.width - 3
    assert checked >= 95 + 158


@pytest.mark.parametrize("view", BAR_VIEWS)
def test_a_restated_bar_adds_a_version_and_leaves_the_one_before(daily: Home, view: str) -> None:
    symbol, session = RESTATED
    chain = daily.versions(view).filter((pl.col("symbol") == symbol) & (pl.col("session") == session))
    assert chain["known_at"].to_list() == [
        CALENDAR.close_at(session) + timedelta(minutes=20), arrival_of(AS_OFS[1]),
    ]  # fmt: skip
    names = [name for name, dtype in chain.schema.items() if dtype.is_float()]
    before, after = chain.select(names).rows()
    assert sum(one != other for one, other in zip(before, after, strict=True)) > len(names) / 3
    late = daily.versions(view).filter(pl.col("known_at") == arrival_of(AS_OFS[1]))
    own = late.filter(pl.col("symbol") == symbol)
    assert own["session"].min() == session
    assert own.height == DAYS.index(AS_OFS[1]) - DAYS.index(session) + 1


@pytest.mark.parametrize("view", BAR_VIEWS)
def test_a_retracted_bar_is_no_row_any_more_and_was_one(daily: Home, view: str) -> None:
    symbol, session = RETRACTED
    chain = daily.versions(view).filter((pl.col("symbol") == symbol) & (pl.col("session") == session))
    assert chain["valid"].to_list() == [True, False]
    values = chain.select(name for name, dtype in chain.schema.items() if dtype.is_float())
    assert values.tail(1).null_count().row(0) == (1,) * values.width
    online = {name: rows for name, rows in daily.online[session].items() if name.endswith(view)}
    assert all(
        rows.filter(pl.col("symbol") == symbol)["valid"].to_list() == [True] for rows in online.values()
    )


def adjusted(symbol: str) -> pd.DataFrame:
    """One symbol's bars as all is known in the end, in the units of the last session, worked out here."""
    bars = true_bars()
    own = bars[bars.symbol == symbol].set_index("session")[[*PRICES, "volume"]].astype(float)
    if symbol == SPLIT[0]:
        before = own.index < SPLIT[1]
        own.loc[before, PRICES] /= 2
        own.loc[before, "volume"] *= 2
    if symbol == RETRACTED[0]:
        own.loc[RETRACTED[1]] = np.nan
    return own


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_values_are_those_that_pandas_finds_in_the_files(daily: Home, symbol: str) -> None:
    bars, cut = adjusted(symbol), CALENDAR.cutoff_at(DAYS[-1])
    close, volume = bars.close, bars.volume
    expected = {
        "mom_return_1d": close / close.shift(1) - 1,
        "mom_return_20d": close / close.shift(20) - 1,
        "trend_sma_distance_20d": close / close.rolling(20, min_periods=16).mean() - 1,
        "a158_KMID": (close - bars.open) / bars.open,
        "a158_ROC10": close.shift(10) / close,
        "a158_MA30": close.rolling(30, min_periods=1).mean() / close,
        "a158_STD20": close.rolling(20, min_periods=2).std() / close,
        "a158_MAX60": bars.high.rolling(60, min_periods=1).max() / close,
        "a158_VMA10": volume.rolling(10, min_periods=1).mean() / (volume + 1e-12),
    }
    compared = 0
    for name, series in expected.items():
        view = "features_alpha158" if name.startswith("a158_") else "features_daily"
        rows = daily.newest(view, cut).filter(pl.col("symbol") == symbol)
        found = pd.Series(rows[name].to_list(), index=rows["session"].to_list(), dtype=float)
        wanted = series.where(close.notna()).reindex(found.index)
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-7, err_msg=name)
        compared += int(wanted.notna().sum())
    assert compared > 8 * 60
