"""Computes the features of another revision of the code, in a process of its own.

    python -P revision_program.py FOLDER

The folder holds ``code/features`` (the revision's package), ``asked.json`` and one ``<source>.parquet`` a
source of views. Written to ``out`` are one ``<view>.parquet`` a view and ``told.json``. Nothing of ours is
imported but what the revision offers: `features.views.VIEWS` with `evaluate`, `features.sessions`, and, where
there is one, `features.code_digest.feature_digest`.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl


def main(folder: Path) -> None:
    """Compute every view that is asked for from the rows of its source.

    Raises
    ------
    SystemExit
        If the revision does not offer what is needed, with one line that says what.
    """
    code = folder / "code"
    sys.path.insert(0, str(code))
    asked = json.loads((folder / "asked.json").read_text("utf-8"))
    views = _offered_views(code)
    told: dict[str, Any] = {"digests": {}, "left_out": {}, "not_computed": []}
    for view in views.values():
        names = _wanted(view, asked)
        why = _why_not(view, folder, len(asked["sessions"])) if names else ""
        if why:
            told["left_out"][view.name] = why
            told["not_computed"] += names
        elif names:
            _evaluate(view, names, folder, asked).write_parquet(folder / "out" / f"{view.name}.parquet")
            told["digests"] |= _digests_of(names, code)
    _check_origin(code)
    (folder / "out" / "told.json").write_text(json.dumps(told), encoding="utf-8")


def _offered_views(code: Path) -> Mapping[str, Any]:
    """Return the revision's registry of views."""
    if not (code / "features" / "views.py").is_file():
        sys.exit("it has no features/views.py")
    try:
        import features.views
    except ImportError as error:
        sys.exit(f"features.views cannot be imported: {error}")
    views = getattr(features.views, "VIEWS", None)
    parts = ("name", "source", "version_key", "source_columns", "features", "lookback_sessions", "evaluate")
    if not isinstance(views, Mapping):
        sys.exit("features.views has no VIEWS")
    for view in views.values():
        lacking = [part for part in parts if not hasattr(view, part)]
        if lacking:
            sys.exit(f"its feature views have no {', '.join(lacking)}")
    return views


def _wanted(view: Any, asked: Mapping[str, Any]) -> list[str]:
    """Return the features of a view that are asked for; none named means all."""
    if asked["views"] and view.name not in asked["views"]:
        return []
    names = [feature.name for feature in view.features]
    return [name for name in names if not asked["features"] or name in asked["features"]]


def _why_not(view: Any, folder: Path, sessions: int) -> str:
    """Return why a view cannot be computed from the rows there are, empty if it can."""
    rows = folder / f"{view.source}.parquet"
    if not rows.is_file():
        return f"there are no rows of its source {view.source}"
    lacking = sorted(set(view.source_columns) - set(pl.read_parquet_schema(rows)))
    if lacking:
        return f"it reads {', '.join(lacking)}, which today's rows of {view.source} lack"
    if view.lookback_sessions >= sessions:
        return f"it looks back {view.lookback_sessions} sessions, and there are rows of {sessions}"
    return ""


def _evaluate(view: Any, names: list[str], folder: Path, asked: Mapping[str, Any]) -> pl.DataFrame:
    """Return the values of the wanted sessions, computed from the newest version of every row."""
    from features.sessions import SessionCalendar

    known = inspect.signature(SessionCalendar).parameters
    calendar = SessionCalendar(**{key: part for key, part in asked["calendar"].items() if key in known})
    sessions = pl.DataFrame({"session": asked["sessions"]}).select(pl.col("session").str.to_date())
    rows = pl.read_parquet(folder / f"{view.source}.parquet").sort("known_at", maintain_order=True)
    newest = rows.unique(list(view.version_key), keep="last", maintain_order=True)
    values: pl.DataFrame = _narrowed(view, names).evaluate(
        newest.select(view.source_columns), sessions, calendar
    )
    wanted = sessions["session"].slice(len(sessions) - asked["wanted"])
    return values.filter(pl.col("session") >= wanted[0]).select("symbol", "session", *names)


def _narrowed(view: Any, names: Sequence[str]) -> Any:
    """Return the view with the features named and those that they read, which take less time than all."""
    wanted, before = set(names), 0
    while len(wanted) > before:
        before = len(wanted)
        wanted.update(read for one in view.features if one.name in wanted for read in one.inputs)
    return replace(view, features=tuple(one for one in view.features if one.name in wanted))


def _digests_of(names: list[str], code: Path) -> dict[str, str | None]:
    """Return the digests of features; None in a revision of before `features.code_digest`."""
    if not (code / "features" / "code_digest.py").is_file():
        return dict.fromkeys(names)
    from features.code_digest import feature_digest

    return {name: feature_digest(name) for name in names}


def _check_origin(code: Path) -> None:
    """Refuse values to which a module of another checkout has contributed.

    An editable install offers the modules that the revision lacks, from where it is installed.
    """
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    own = ((name, file) for name, file in files.items() if name.partition(".")[0] == "features" and file)
    strange = [name for name, file in own if not Path(file).resolve().is_relative_to(code.resolve())]
    if strange:
        sys.exit(f"it lacks {', '.join(sorted(strange))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
