"""The training frame of a home, for a notebook."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipelines.base.errors import BadDataError, NothingToDo, SettingsError
from pipelines.base.known_names import check_known
from pipelines.base.quiet_telemetry import QUIET_TELEMETRY

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from pipelines.base.context import Context
    from pipelines.registry.frame_of_span import Span

log = logging.getLogger(__name__)

Kind = Literal["polars", "pandas"]
Day = date | str

_OWN_STORE = 'feature_store.online="sqlite"'
"""Feast's definitions are applied to a folder of the read's own: neither the home's nor a shared Redis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What was asked for, dates read and nothing looked up yet."""

    feature_set: str
    start: date | None
    end: date | None
    as_of: date | None
    horizon_sessions: int | None


def load_frame(
    feature_set: str,
    start: Day | None,
    end: Day | None,
    *,
    kind: Kind = "polars",
    as_of: Day | None = None,
    horizon_sessions: int | None = None,
    home: str | Path = "var",
    env: str = "local",
    overrides: Sequence[str] = (),
    clock: Callable[[], datetime] | None = None,
) -> pl.DataFrame | pd.DataFrame:
    """Return the training frame as the pipeline sees it, point in time, restricted to some sessions.

    It has, bit for bit, those rows of the frame that ``bellwether train --as-of AS_OF`` fits on. No table and
    no record of the home is written, only Spark's scratch files below ``run/spark``. The lake's lock is held
    for the moment in which the tables' versions are noted; rows that come later are not read. A span of few
    rows is read in this process; one of many starts Spark and stops it again, and a Spark session that runs
    already is neither changed nor stopped.

    Parameters
    ----------
    feature_set : str
        A set of ``features.sets``.
    start, end : date or str
        First and last session, both included, as dates or YYYY-MM-DD. None for `start` begins with the first
        label, None for `end` ends with `as_of`, or else with the session of the last cut.
    kind : {"polars", "pandas"}
    as_of : date or str, optional
        Labels are those known at this session's cut; `end` unless named. The labels of the last
        `horizon_sessions` + 1 sessions before it are not known then, and their rows are not there.
    horizon_sessions : int, optional
        Sessions over which the label runs; ``models.split.horizon_sessions`` unless named.
    home : str or Path
        The folder that the pipeline writes to.
    env : str
        Overlay of `conf/`.
    overrides : sequence of str
        Settings as ``section.key=value``, as ``--set`` takes them.
    clock : callable, optional
        Returns the present instant, in UTC.

    Returns
    -------
    polars.DataFrame or pandas.DataFrame, shape (n_rows, 6 + n_features)
        One row a (symbol, session) with a label known at the cut of `as_of` and a valid vector known at the
        session's own cut: `symbol`, `session`, `cutoff_at`, `label_end`, `label` (fraction), the features
        (32 bits; null, in pandas NaN, where unknown) and `target` (normal score of the label's rank within
        its session). Sorted by session and symbol.

    Raises
    ------
    SettingsError
        If the set or the horizon is unknown (with near matches), `start` lies after `end` or `end` after
        `as_of`, a date is none or outside the calendar, or nothing was ever run under `home`.
    NothingToDo
        If no session lies in the span.
    TransientError
        If the cut of `as_of` has not passed, or a writer holds the lake's lock too long.
    BadDataError
        If there is no such row, or there are more than ``training.max_frame_rows``: none is left out.
    """
    if kind not in ("polars", "pandas"):
        msg = f"kind={kind!r} must be 'polars' or 'pandas'"
        raise SettingsError(msg)
    asked = _Asked(
        feature_set=feature_set,
        start=_read_day("start", start),
        end=_read_day("end", end),
        as_of=_read_day("as_of", as_of),
        horizon_sessions=horizon_sessions,
    )
    for name, value in QUIET_TELEMETRY.items():
        os.environ.setdefault(name, value)
    context = _open_home(Path(home), env, overrides, clock)
    frame = _read(context, asked)
    return frame if kind == "polars" else frame.to_pandas()


def _read(context: Context, asked: _Asked) -> pl.DataFrame:
    """Return the rows asked for, read at the tables' versions of this moment."""
    from pipelines.base.cut import wait_for_cut
    from pipelines.base.home import Home
    from pipelines.base.stage import FEATURE_TABLES
    from pipelines.io.pinned_lake import pin
    from pipelines.io.spark import session_left_as_found
    from pipelines.registry.frame_of_span import read_frame_of_span
    from pipelines.tables.contracts import GOLD_LABELS, select_tables

    features, span = _features_of(context, asked.feature_set), _span_of(context, asked)
    wait_for_cut(context, span.as_of)
    with session_left_as_found(), tempfile.TemporaryDirectory() as scratch:
        if not context.lake.exists(GOLD_LABELS):
            msg = f"{context.home.root} has no labels yet; run `bellwether build_features` first"
            raise BadDataError(msg)
        _warn_if_behind(context, span.as_of)
        with context.writing():
            pinned = pin(context, select_tables([FEATURE_TABLES, GOLD_LABELS.name]))
        frame = read_frame_of_span(replace(pinned, home=Home(Path(scratch))), span, features)
        if frame.is_empty():
            raise BadDataError(_why_empty(pinned, span))
    return frame


def _open_home(
    home: Path, env: str, overrides: Sequence[str], clock: Callable[[], datetime] | None
) -> Context:
    """Return the context of a home that is there, on a Spark session of its own should it need one."""
    from pipelines.app.runner import open_context, system_clock
    from pipelines.app.settings import load_settings
    from pipelines.io.lake import Lake
    from pipelines.io.run_log import RunLog
    from pipelines.io.spark import private_session

    if not home.is_dir():
        msg = f"home={str(home)!r}: there is no such folder; nothing has been run under it"
        raise SettingsError(msg)
    settings, _ = load_settings(env, overrides=[*overrides, _OWN_STORE])
    context = open_context(settings, home, clock=clock or system_clock)
    warehouse = context.home.run / "spark"
    root = settings.lake.root or str(context.home.lake)
    lake = Lake(
        root,
        lambda: private_session(settings.spark, warehouse=warehouse),
        local_rows=settings.lake.local_rows,
    )
    return replace(context, lake=lake, run_log=RunLog(lake))


def _features_of(context: Context, name: str) -> tuple[str, ...]:
    """Return the features of a set, all of which exist."""
    from features.params import FeaturesParams

    params = context.params(FeaturesParams)
    check_known(name, params.sets, "feature_set")
    try:
        return next(one.features for one in params.feature_sets() if one.name == name)
    except ValueError as error:
        msg = f"features.{error}"
        raise SettingsError(msg) from error


def _span_of(context: Context, asked: _Asked) -> Span:
    """Return the span in sessions of the calendar, its open ends closed."""
    from pipelines.registry.frame_of_span import Span

    calendar = context.calendar
    for name, day in (("start", asked.start), ("end", asked.end), ("as_of", asked.as_of)):
        if day is not None and not calendar.first <= day <= calendar.last:
            known = f"known from {calendar.first} to {calendar.last}"
            msg = f"{name}={day} lies outside the calendar {calendar.name}, {known}; name another"
            raise SettingsError(msg)
    start = asked.start or calendar.first
    end = asked.end or asked.as_of or calendar.last_cut(context.clock())
    if start > end:
        msg = f"start={start} is after end={end}; swap them"
        raise SettingsError(msg)
    sessions = calendar.sessions(start, end)
    if not sessions:
        msg = f"no session of {calendar.name} lies in {start}..{end}: the market was closed; name others"
        raise NothingToDo(msg)
    as_of = calendar.last_on_or_before(asked.as_of or sessions[-1])
    if as_of < sessions[-1]:
        msg = f"as_of={asked.as_of} is before end={end}, which its cut knows nothing of; name a later as_of"
        raise SettingsError(msg)
    horizon = _horizon_of(context, asked.horizon_sessions)
    return Span(start=sessions[0], end=sessions[-1], as_of=as_of, horizon_sessions=horizon)


def _horizon_of(context: Context, horizon_sessions: int | None) -> int:
    """Return the label's horizon, which has to be one that is built."""
    from features.params import LabelParams
    from models.params import ModelsParams

    built = context.params(LabelParams).horizon_sessions
    horizon = context.params(ModelsParams).split.horizon_sessions
    horizon = horizon if horizon_sessions is None else horizon_sessions
    if horizon not in built:
        named = ", ".join(map(str, built))
        msg = f"horizon_sessions={horizon} must be one of labels.horizon_sessions, which names {named}"
        raise SettingsError(msg)
    return horizon


def _warn_if_behind(context: Context, as_of: date) -> None:
    """Say that a stage has not read all that was known at the cut: a training would wait for it."""
    from pipelines.registry.closing import find_behind

    if not context.lake.reads_here:
        # Elsewhere the change feed is Spark's to read, longer than the span itself.
        return
    for stage, tables in find_behind(context, as_of).items():
        log.warning(
            "%s has not read all of %s that was known at the cut of %s: the frame is not the one that a "
            "training will see; run `bellwether %s` first",
            stage, ", ".join(tables), as_of, stage,
        )  # fmt: skip


def _why_empty(context: Context, span: Span) -> str:
    """Return what to say where the span has no row: which labels there are."""
    from pipelines.tables import queries
    from pipelines.tables.contracts import GOLD_LABELS

    scope = queries.of_horizon(span.horizon_sessions)
    extent = context.lake.collect_query(queries.extent(GOLD_LABELS, "session", scope), GOLD_LABELS)
    first, last = extent.row(0)
    there = f"there are labels of {first} to {last}" if first else "no label of this horizon was ever built"
    return (
        f"no row of {span.start} to {span.end} has a label over {span.horizon_sessions} sessions, known at "
        f"the cut of {span.as_of}, and a valid vector; {there}. Name another span or a later as_of, or run "
        "`bellwether build_features`"
    )


def _read_day(name: str, day: Day | None) -> date | None:
    if isinstance(day, datetime):
        return day.date()
    if day is None or isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        msg = f"{name}={day!r} is not a date; give YYYY-MM-DD, for example 2018-02-07"
        raise SettingsError(msg) from error
