"""The commands that run stages: one a stage, and `run` for the whole chain."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from features.params import FeaturesParams
from models.families import trainable_families
from models.params import ModelsParams
from pipelines.base.errors import EXIT_DONE, EXIT_NOTHING_TO_DO, BellwetherError, SettingsError
from pipelines.base.masking import mask_text
from pipelines.base.report import SessionRange, StageReport
from pipelines.base.stage import Stage
from pipelines.cli.options import (
    Request,
    common,
    open_request,
    parse_session,
    resolve_sessions,
    sourced,
    with_source,
)
from pipelines.stages import STAGES

if TYPE_CHECKING:
    from pipelines.base.context import Context


def runs_stages(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say for which sessions, from which source and which family.

    They reach it as `context` and `sessions`: settings read, features and sessions checked, nothing started
    yet.
    """

    @functools.wraps(command)
    def opened(
        *,
        request: Request,
        as_of: date | None,
        start: date | None,
        end: date | None,
        model: str | None,
        source: str | None,
        bars: str | None,
        actions: str | None,
        texts: str | None,
        **more: Any,
    ) -> None:
        request = with_source(request, source=source, bars=bars, actions=actions, texts=texts)
        context = open_request(request.overriding({"models.family": model}))
        _check_features(context)
        command(context, resolve_sessions(context, as_of, start, end), **more)

    decorated: Callable[..., Any] = opened
    for option in (
        common,
        click.option("--model", type=click.Choice(trainable_families()), help="Family to train."),
        sourced,
        click.option("--end", callback=parse_session, help="Last session of a bulk run."),
        click.option("--start", callback=parse_session, help="First session of a bulk run."),
        click.option("--as-of", callback=parse_session, help="The one session to run for."),
    ):
        decorated = option(decorated)
    return decorated


def _check_features(context: Context) -> None:
    """Refuse a set that is empty or names a feature twice, and whatever names one that no view holds.

    Not as settings load, because the catalog takes longer to import than a command that only looks may run.
    """
    try:
        context.params(FeaturesParams).feature_sets()
    except ValueError as error:
        msg = f"features.{error}"
        raise SettingsError(msg) from error
    from features.views import view_of

    baselines = context.params(ModelsParams).baselines
    for key in ("reversal_feature", "momentum_feature"):
        try:
            view_of(getattr(baselines, key))
        except KeyError as error:
            msg = f"models.baselines.{key}={getattr(baselines, key)!r}: {error.args[0]}"
            raise SettingsError(msg) from error


def _stage_command(stage: Stage) -> click.Command:
    @click.command(name=stage.name, help=stage.help)
    @runs_stages
    def command(context: Context, sessions: SessionRange) -> None:
        _run_one(context, stage.name, sessions)

    return command


def _run_one(context: Context, stage: str, sessions: SessionRange) -> None:
    """Run one stage as a command does: print its report and end the process as it says."""
    ended = _run_stages(context, [stage], sessions)
    report = asdict(ended.reports[0]) if ended.reports else {"stage": stage, "status": "failed"}
    _finish(ended, report, sessions)


@click.command(help=STAGES["promote"].help)
@click.option("--accept-suspect", is_flag=True, help="Take its result for no leak; say why.")
@click.option("--why", default="", help="What explains the result, kept in the ledger.")
@runs_stages
def promote(context: Context, sessions: SessionRange, *, accept_suspect: bool, why: str) -> None:
    """Run the stage, after a person's word that a result above the leak bound is none, where it is given."""
    if accept_suspect != bool(why):
        msg = "--accept-suspect and --why belong together: what explains a result that is too good?"
        raise click.UsageError(msg)
    if accept_suspect:
        from pipelines.app.runner import one_writer
        from pipelines.registry.challenger import find_challenger
        from pipelines.registry.leak_stop import accept_suspect as accept

        with one_writer(context):
            challenger = find_challenger(context, sessions.end)
            if challenger is not None:
                accept(context, challenger, sessions.end, why)
    _run_one(context, "promote", sessions)


@click.command()
@click.option(
    "--train/--no-train", default=None, help="Train a challenger (default: only without a champion)."
)
@click.option("--stages", help="Comma-separated stages to run instead of the whole chain.")
@runs_stages
def run(context: Context, sessions: SessionRange, *, train: bool | None, stages: str | None) -> None:
    """Run the whole chain in one process and one Spark session."""
    ended = _run_stages(context, _named(stages), sessions) if stages else _run_chain(context, sessions, train)
    reports = ended.reports
    names = ("rows_in", "rows_out", "rows_refused", "sessions_touched")
    totals = {name: sum(getattr(report, name) for report in reports) for name in names}
    seconds = round(sum(report.seconds for report in reports), 3)
    summary = {"stage": "run", **totals, "seconds": seconds, "stages": [asdict(report) for report in reports]}
    _finish(ended, summary, sessions)


COMMANDS = (*(_stage_command(stage) for stage in STAGES.values() if stage.name != "promote"), promote, run)


def _named(stages: str) -> list[str]:
    names = [name.strip() for name in stages.split(",")]
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        msg = f"--stages names {', '.join(unknown)}; allowed: {', '.join(STAGES)}"
        raise click.BadParameter(msg)
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What ran, in order, and the error that ended it."""

    reports: list[StageReport]
    error: BellwetherError | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of the worst stage; 99 where none of them had anything to do."""
        codes = [report.exit_code for report in self.reports]
        stopping = [code for code in codes if code not in (EXIT_DONE, EXIT_NOTHING_TO_DO)]
        idle = bool(codes) and EXIT_DONE not in codes
        return next(iter(stopping), EXIT_NOTHING_TO_DO if idle else EXIT_DONE)


def _finish(ended: _Ended, report: dict[str, Any], sessions: SessionRange) -> None:
    """Print the report of what ran, then end the process as the error or the worst stage says.

    The line comes first: what has been written stands, whatever stopped the stage after it, and who reads
    the line is told why.
    """
    why = {} if ended.error is None else {"why": mask_text(str(ended.error))}
    click.echo(_line({**report, **why}, sessions))
    if ended.error is not None:
        raise ended.error
    if ended.exit_code:
        sys.exit(ended.exit_code)


def _run_stages(context: Context, stages: Sequence[str], sessions: SessionRange) -> _Ended:
    return _run_in_order(context, stages, sessions, ahead=stages)


def _run_chain(context: Context, sessions: SessionRange, train: bool | None) -> _Ended:
    ahead = _of_chain("data", "issue", "report")
    return _run_in_order(context, _choose_chain(context, sessions, train), sessions, ahead=ahead)


def _choose_chain(context: Context, sessions: SessionRange, train: bool | None) -> Iterator[str]:
    """Yield the daily chain; a model is trained and installed on the way where it is wanted or missing."""
    from pipelines.io.bento import BentoRepository
    from pipelines.registry.champion import champion_at

    yield from _of_chain("data")
    wanted = train if train is not None else champion_at(context, sessions.end) is None
    if wanted:
        yield from _of_chain("training")
    current, champion = BentoRepository(context.home.bento).current(), champion_at(context, date.max)
    follows = current is not None and champion is not None and current.model_key == champion.model_key
    release = wanted or not follows
    yield from _of_chain("issue", *(["release"] if release else []), "report")


def _run_in_order(
    context: Context, stages: Iterable[str], sessions: SessionRange, *, ahead: Sequence[str]
) -> _Ended:
    """Run stage after stage, up to one that fails, waits for what has not come or stops short of it.

    Parameters
    ----------
    stages : iterable of str
        Asked for the next stage when the one before has ended.
    ahead : sequence of str
        Stages to import while the JVM starts; the first of them is the first to run.
    """
    from pipelines.app.runner import load_ahead, peek_stage, run_locked

    reports: list[StageReport] = []
    try:
        if peeked := peek_stage(context, ahead[0], sessions):
            return _Ended(reports=[peeked])
        load_ahead(ahead)
        for stage in stages:
            reports.append(run_locked(context, stage, sessions))
            if reports[-1].status in ("waiting", "short"):
                break
    except BellwetherError as error:
        return _Ended(reports=reports, error=error)
    return _Ended(reports=reports)


def _of_chain(*chains: str) -> list[str]:
    """Return the stages that belong to parts of the chain, in order."""
    return [stage.name for stage in STAGES.values() if stage.chain in chains]


def _line(report: dict[str, Any], sessions: SessionRange) -> str:
    """Return the one line of JSON that a scheduler reads; `as_of` tells it which session it was about."""
    return json.dumps({**report, "as_of": sessions.end, "start": sessions.start}, default=str, sort_keys=True)
