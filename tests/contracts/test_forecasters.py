"""One suite that every family of forecasters passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from models.base import Forecaster, build_forecaster, load_forecaster
from models.families import FAMILIES
from tests.models.market import feature_names, make_market
from tests.models.settings import MODELS

SYMBOLS = 12


@cache
def market() -> pl.DataFrame:
    return make_market(symbols=SYMBOLS, sessions=110, seed=5, alpha=4.0, null_share=0.05)


@cache
def days() -> list[date]:
    return market()["session"].unique().sort().to_list()


def part(first: int, last: int) -> pl.DataFrame:
    """Sessions `first`..`last` - 1 of the market."""
    return market().filter(pl.col("session").is_between(days()[first], days()[last - 1]))


def train() -> pl.DataFrame:
    return part(0, 60)


def validation() -> pl.DataFrame:
    return part(66, 90)


def unseen() -> pl.DataFrame:
    return part(95, 110)


def build(family: str, *, seed: int = 7, names: list[str] | None = None) -> Forecaster:
    return build_forecaster(family, MODELS, names or feature_names(market()), seed=seed)


@cache
def fitted(family: str) -> Forecaster:
    return build(family).fit(train(), validation())


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_that_a_forecast_has_its_columns_order_and_no_unknowns(family: str) -> None:
    forecasts = fitted(family).predict(unseen())
    assert forecasts.columns[:3] == ["symbol", "session", "value"]
    assert set(forecasts.columns[3:]) in (set(), {"q10", "q50", "q90"})
    assert forecasts.select("symbol", "session").equals(
        unseen().sort("session", "symbol").select("symbol", "session")
    )
    assert set(forecasts.dtypes[2:]) == {pl.Float64}
    assert forecasts.select(pl.col(pl.Float64).is_finite().all()).row(0) == (True,) * (
        len(forecasts.columns) - 2
    )


def test_that_quantiles_are_ordered_around_the_value(family: str) -> None:
    forecasts = fitted(family).predict(unseen())
    if "q10" not in forecasts.columns:
        return
    assert forecasts.select(
        (pl.col("q10") <= pl.col("q50")).all() & (pl.col("q50") <= pl.col("q90")).all()
    ).item()
    assert forecasts["q50"].equals(forecasts["value"].rename("q50"))


def test_that_a_loaded_forecaster_gives_the_same_bits(family: str, tmp_path: Path) -> None:
    fitted(family).save(tmp_path)
    loaded = load_forecaster(tmp_path)
    assert loaded.family == family
    assert loaded.feature_names == fitted(family).feature_names
    assert loaded.history_sessions == fitted(family).history_sessions
    assert loaded.importance() == fitted(family).importance()
    assert loaded.predict(unseen()).equals(fitted(family).predict(unseen()))


def test_that_nothing_saved_is_a_pickle(family: str, tmp_path: Path) -> None:
    fitted(family).save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".ubj", ".safetensors"}


def test_that_saving_twice_gives_the_same_files(family: str, tmp_path: Path) -> None:
    fitted(family).save(tmp_path / "a")
    load_forecaster(tmp_path / "a").save(tmp_path / "b")
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in "ab")
    assert first == second


def test_that_the_same_seed_gives_the_same_bits_whatever_the_order_of_rows(family: str) -> None:
    shuffled = train().sample(fraction=1.0, shuffle=True, seed=1)
    again = build(family).fit(shuffled, validation().reverse())
    assert again.predict(unseen().reverse()).equals(fitted(family).predict(unseen()))


def test_that_unknown_features_are_tolerated(family: str) -> None:
    names = list(fitted(family).feature_names)
    blank = unseen().with_columns(pl.lit(None, pl.Float64).alias(name) for name in names)
    forecasts = fitted(family).predict(blank)
    assert forecasts.height == unseen().height
    assert forecasts["value"].is_finite().all()


def test_that_a_feature_unknown_throughout_the_fit_is_tolerated(family: str) -> None:
    name = fitted(family).feature_names[0]
    blank = [frame.with_columns(pl.lit(None, pl.Float64).alias(name)) for frame in (train(), validation())]
    assert build(family).fit(*blank).predict(unseen())["value"].is_finite().all()


def test_that_rows_before_the_first_session_are_history_only(family: str) -> None:
    forecaster = fitted(family)
    history = forecaster.history_sessions - 1
    whole = forecaster.predict(part(90, 110), first_session=days()[105])
    short = forecaster.predict(part(105 - history, 110), first_session=days()[105])
    assert whole["session"].min() == days()[105]
    assert whole.height == 5 * SYMBOLS
    assert short["value"].to_list() == pytest.approx(whole["value"].to_list(), abs=1e-6)


def test_that_later_rows_change_no_earlier_forecast(family: str) -> None:
    short = fitted(family).predict(part(90, 100))
    longer = fitted(family).predict(part(90, 110)).filter(pl.col("session") <= days()[99])
    assert short["value"].to_list() == pytest.approx(longer["value"].to_list(), abs=1e-6)


def test_that_outcomes_beside_the_features_change_no_forecast(family: str) -> None:
    bare = unseen().select("symbol", "session", *fitted(family).feature_names)
    assert fitted(family).predict(bare).equals(fitted(family).predict(unseen()))


def test_that_importance_covers_the_features_in_shares(family: str) -> None:
    importance = fitted(family).importance()
    assert set(importance) == set(fitted(family).feature_names)
    assert min(importance.values()) >= 0
    assert sum(importance.values()) == pytest.approx(0.0 if family == "zero" else 1.0)


def test_that_a_missing_feature_is_refused_with_near_matches(family: str) -> None:
    name = fitted(family).feature_names[0]
    frame = unseen().rename({name: f"{name}x"})
    with pytest.raises(ValueError, match=rf"frame lacks 1 of \d+ required columns: \['{name}'\].*{name}x"):
        fitted(family).predict(frame)
    with pytest.raises(ValueError, match="frame lacks"):
        build(family).fit(train().drop(name), validation())


def test_that_a_text_in_place_of_a_feature_is_refused(family: str) -> None:
    name = fitted(family).feature_names[0]
    with pytest.raises(ValueError, match="but features and targets are numbers"):
        fitted(family).predict(unseen().with_columns(pl.lit("high").alias(name)))


def test_that_infinite_features_are_refused(family: str) -> None:
    if family == "zero":
        return
    names = fitted(family).feature_names
    frame = unseen().with_columns(pl.lit(float("inf")).alias(name) for name in names)
    with pytest.raises(ValueError, match="hold infinite values"):
        fitted(family).predict(frame)


def test_that_repeated_rows_are_refused(family: str) -> None:
    with pytest.raises(ValueError, match=r"share a \(symbol, session\).*keep one version of each"):
        build(family).fit(pl.concat([train(), train().head(1)]), validation())


def test_that_a_part_without_targets_is_refused(family: str) -> None:
    blind = validation().with_columns(pl.lit(None, pl.Float64).alias("target"))
    with pytest.raises(ValueError, match="the validation part has 288 rows and no target"):
        build(family).fit(train(), blind)


@pytest.mark.parametrize("names", [["target", "mom_return_5d"], ["mom_return_5d"] * 2, ["label_end"]])
def test_that_outcomes_and_repeats_are_no_features(names: list[str]) -> None:
    with pytest.raises(ValueError, match="feature_names must be distinct feature columns"):
        build("xgboost", names=names)


def test_that_an_unfitted_forecaster_says_so() -> None:
    for name in ("xgboost", "tft", "ridge"):
        with pytest.raises(ValueError, match="this forecaster is not fitted; call fit or load one"):
            build(name).predict(unseen())


def test_that_a_setting_that_names_an_unknown_feature_is_refused() -> None:
    misspelt = replace(MODELS, tft=replace(MODELS.tft, features=("mom_retrun_5d",)))
    with pytest.raises(ValueError, match=r"unknown features \['mom_retrun_5d'\].*mom_return_5d"):
        build_forecaster("tft", misspelt, feature_names(market()))


@pytest.mark.parametrize(("baseline", "sign"), [("reversal", -1.0), ("momentum", 1.0)])
def test_that_a_baseline_reads_its_own_feature_whatever_the_model_reads(baseline: str, sign: float) -> None:
    own = replace(MODELS.baselines, reversal_feature="else_1d", momentum_feature="else_1d")
    built = build_forecaster(baseline, replace(MODELS, baselines=own), feature_names(market()))
    assert built.feature_names == ("else_1d",)
    frame = market().with_columns(else_1d=pl.col("symbol").rank("dense").over("session").cast(pl.Float32))
    ranked = built.predict(frame).sort("session", "symbol")
    first = ranked.filter(pl.col("session") == ranked["session"][0])["value"] * sign
    assert first.is_sorted()
    assert first.n_unique() == first.len()
    with pytest.raises(ValueError, match=r"frame lacks 1 of 3 required columns: \['else_1d'\]"):
        built.predict(market())


def test_that_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="family='prophet' is unknown; choose one of xgboost, tft"):
        build("prophet")


def test_that_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"holds no forecaster.json; pass the folder that Forecaster.save wrote"
    ):
        load_forecaster(tmp_path)
    (tmp_path / "forecaster.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="has format 99, this version reads 1"):
        load_forecaster(tmp_path)
