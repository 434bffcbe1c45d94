"""How often the drift verdict cries wolf, and how soon it sees a change of volatility.

The thresholds in conf/base/monitor.yaml were set on the calibration seeds; the report uses other seeds and
the thresholds as they stand. It runs the simulated source's generator, the catalog's features and the monitor
stage's own steps, without Spark.

    python -m benchmarks.drift_calibration [--quick]
"""

from __future__ import annotations

import argparse
import logging
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from features.compute import compute_features
from features.panel import dense_panel
from features.sessions import SessionCalendar
from features.views import find_feature
from pipelines.app.settings import load_settings
from pipelines.stages.monitor.params import MonitorParams
from pipelines.stages.monitor.scales import SCALE_FEATURES, SCALES
from pipelines.stages.monitor.steps import choose_windows, measure_sessions
from pipelines.stages.monitor.verdict import judge, judge_scales
from simulation.feed import compute_true_bars
from simulation.params import RegimeBreak, SimulatedParams

CALIBRATION_SEEDS, REPORT_SEEDS = range(20), range(100, 150)
FIRST, WARM_UP, UNBROKEN, SEEN = date(2020, 1, 2), 20, 250, 20
MULTIPLIER = 1.5
EVERY = 5
MAX_FALSE_ALARMS, MIN_FOUND = 0.05, 0.90
RESULT = Path(__file__).parent / "results" / "drift.md"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One simulated market's measures a session, and the session from which volatility is larger."""

    measured: pl.DataFrame
    broken: pl.DataFrame
    break_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the verdict said about a set of markets."""

    windows: int
    alarms: int
    alarms_by_measure: dict[str, int]
    delays: list[int | None]

    @property
    def false_alarms(self) -> float:
        """Share of the unbroken windows that raised the verdict."""
        return self.alarms / self.windows

    @property
    def found(self) -> float:
        """Share of the changes that were seen in time."""
        return sum(delay is not None for delay in self.delays) / len(self.delays)


def simulate(base: SimulatedParams, seed: int, params: MonitorParams) -> Market:
    """Return the measures of a market as it is, and of the same market with its volatility multiplied."""
    calendar = SessionCalendar(base.calendar)
    start = WARM_UP + params.reference_sessions + params.current_sessions
    days = calendar.sessions(FIRST, date(2024, 12, 31))
    break_at = start + UNBROKEN // 2
    last, last_broken = days[start + UNBROKEN], days[break_at + SEEN - 1]
    change = RegimeBreak(session=days[break_at], volatility_multiplier=MULTIPLIER)
    return Market(
        measured=measure(reseed(base, seed), days[0], last, params),
        broken=measure(reseed(base, seed, change), days[0], last_broken, params),
        break_at=break_at,
    )


def reseed(base: SimulatedParams, seed: int, change: RegimeBreak | None = None) -> SimulatedParams:
    """Return the default market under another seed, without texts."""
    fields = {name: getattr(base, name) for name in SimulatedParams.__dataclass_fields__}
    own = {"seed": seed, "start": FIRST, "headline_rate": 0.0, "post_rate": 0.0, "regime_break": change}
    return SimulatedParams(**fields | own)


def measure(market: SimulatedParams, first: date, last: date, params: MonitorParams) -> pl.DataFrame:
    """Return the session-level measures of a market, warm-up sessions left out."""
    calendar = SessionCalendar(market.calendar)
    bars = compute_true_bars(market, first, last)
    sessions = calendar.frame(first, last).select("session")
    known = bars.drop("received_at").with_columns(price_basis=pl.lit("raw"), valid=pl.lit(value=True))
    panel = dense_panel(known, sessions)
    features = compute_features(panel, calendar, [find_feature(name) for name in SCALE_FEATURES])
    there = panel.filter(pl.col("valid")).select("symbol", "session")
    valid = features.join(there, on=["symbol", "session"], how="semi")
    return measure_sessions(valid, min_symbols=params.min_symbols).slice(WARM_UP)


def judged(measured: pl.DataFrame, ends: Iterable[int], params: MonitorParams) -> list[tuple[str, ...]]:
    """Return the reasons given with each of the sessions as as-of; none means no alarm."""
    sessions = measured["session"].to_list()
    reasons = []
    for end in ends:
        windows = choose_windows(
            sessions[: end + 1], reference=params.reference_sessions, current=params.current_sessions
        )
        reasons.append(judge(measured, windows, params, training_due=False).reasons)
    return reasons


def evaluate(markets: Sequence[Market], params: MonitorParams) -> Outcome:
    """Return the verdicts of every fifth unbroken window and of the sessions after each change."""
    found = [
        reasons for market in markets for reasons in judged(market.measured, ends_of(market, params), params)
    ]
    by_measure = {scale.name: sum(_named(scale.name, reasons) for reasons in found) for scale in SCALES}
    return Outcome(
        windows=len(found),
        alarms=sum(bool(reasons) for reasons in found),
        alarms_by_measure=by_measure,
        delays=[delay_of(market, params) for market in markets],
    )


def ends_of(market: Market, params: MonitorParams) -> range:
    """Return the places of the unbroken as-ofs looked at."""
    return range(params.reference_sessions + params.current_sessions - 1, market.measured.height, EVERY)


def _named(name: str, reasons: Sequence[str]) -> bool:
    return any(reason.startswith(name.replace("_", " ")) for reason in reasons)


def delay_of(market: Market, params: MonitorParams) -> int | None:
    """Return with which session after the change the verdict was raised, 1 for the first; None for later."""
    first = market.break_at - WARM_UP
    for place, reasons in enumerate(judged(market.broken, range(first, first + SEEN), params), start=1):
        if reasons:
            return place
    return None


def scores(markets: Sequence[Market], params: MonitorParams) -> dict[str, np.ndarray]:
    """Return the absolute z-scores of every measure in the unbroken windows."""
    found: dict[str, list[float]] = {scale.name: [] for scale in SCALES}
    for market in markets:
        sessions = market.measured["session"].to_list()
        for end in ends_of(market, params):
            windows = choose_windows(
                sessions[: end + 1], reference=params.reference_sessions, current=params.current_sessions
            )
            for shift in judge_scales(market.measured, windows, params):
                found[shift.name].append(abs(shift.z))
    return {name: np.array(values) for name, values in found.items()}


def render(base: SimulatedParams, params: MonitorParams, parts: dict[str, Outcome], table: str) -> str:
    """Return the page of results."""
    report = parts["report"]
    rows = [
        f"| {name} | {len(part.delays)} | {part.windows} | {part.false_alarms:.1%} | "
        + " | ".join(f"{count / part.windows:.1%}" for count in part.alarms_by_measure.values())
        + f" | {part.found:.0%} | {np.median([delay for delay in part.delays if delay]):.0f} |"
        for name, part in parts.items()
    ]
    names = [scale.name for scale in SCALES]
    met = report.false_alarms <= MAX_FALSE_ALARMS and report.found >= MIN_FOUND
    story = (
        f"{base.symbols} symbols; reference {params.reference_sessions} sessions, current "
        f"{params.current_sessions}. Every {EVERY}th session of a market without a change ends an unbroken "
        f"window. In the changed twin all shocks are multiplied by {MULTIPLIER} from one session on, and the "
        f"verdict has {SEEN} sessions to say so. Thresholds were set on seeds {_span(CALIBRATION_SEEDS)} and "
        f"are reported on seeds {_span(REPORT_SEEDS)}."
    )
    wanted = (
        f"Wanted on the report seeds: at most {MAX_FALSE_ALARMS:.0%} false alarms, at least {MIN_FOUND:.0%} "
        f"found: {'met' if met else 'NOT met'}."
    )
    legend = (
        "Absolute z-scores of the unbroken calibration windows, and the thresholds in force; a shift must "
        f"also be {np.exp(params.min_log_shift):.2f} times or its inverse:"
    )
    header = ("seeds", "markets", "windows", "false alarms", *names, f"found in {SEEN}", "median session")
    return "\n".join(
        [
            "# The drift verdict on the simulated market\n",
            "Written by `python -m benchmarks.drift_calibration`.\n",
            textwrap.fill(story, 110),
            "",
            f"| {' | '.join(header)} |",
            "|---" * len(header) + "|",
            *rows,
            "",
            wanted,
            "",
            textwrap.fill(legend, 110),
            "",
            table,
            "",
        ]
    )


def _span(seeds: range) -> str:
    return f"{seeds.start} to {seeds.stop - 1}"


def render_scores(found: dict[str, np.ndarray], params: MonitorParams) -> str:
    """Return the quantiles of the calibration scores beside the thresholds."""
    rows = ["| measure | 90 % | 95 % | 98 % | 99 % | largest | threshold |", "|---|---|---|---|---|---|---|"]
    for name, values in found.items():
        quantiles = " | ".join(f"{np.quantile(values, level):.2f}" for level in (0.9, 0.95, 0.98, 0.99, 1))
        rows.append(f"| {name} | {quantiles} | {params.thresholds[name]:.2f} |")
    return "\n".join(rows)


def main() -> None:
    """Simulate, judge, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds of each kind, and nothing is written")
    quick = parser.parse_args().quick
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings, _ = load_settings()
    base, params = settings.sources["simulated"], settings.monitor
    markets = {}
    for name, seeds in (("calibration", CALIBRATION_SEEDS), ("report", REPORT_SEEDS)):
        began = time.perf_counter()
        markets[name] = [simulate(base, seed, params) for seed in (seeds[:2] if quick else seeds)]
        log.info("%s: %d markets in %.0f s", name, len(markets[name]), time.perf_counter() - began)
    parts = {name: evaluate(found, params) for name, found in markets.items()}
    page = render(base, params, parts, render_scores(scores(markets["calibration"], params), params))
    print(page)
    if not quick:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
