"""A user's Python file with features, loaded as a module of its own, anew for every run."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, get_args

import polars as pl

from features.leakcheck.examination import Declared, Known
from features.leakcheck.trial import Compute
from pipelines.base.errors import SettingsError

MODULE = "bellwether_feature_file"
FUNCTION = "features"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFile:
    """A file that exports ``features(bars)``.

    Parameters
    ----------
    path : Path
    code : CodeType
        What the file says, compiled.
    declared : Declared
        Its ``LOOKBACK`` and ``KNOWN``.
    standing : frozenset of str
        Modules that were there before it.
    """

    path: Path
    code: CodeType
    declared: Declared
    standing: frozenset[str]

    def fresh(self) -> Compute:
        """Return its function as it is right after the file was loaded."""
        # What the file prints was shown when it was read; a hundred times more would bury the report.
        self._forget_neighbours()
        with contextlib.redirect_stdout(io.StringIO()):
            module = _load(self.path, self.code)
        function: Compute = getattr(module, FUNCTION)

        def compute(bars: pl.DataFrame) -> pl.DataFrame:
            with _importable(self.path, module), contextlib.redirect_stdout(io.StringIO()):
                return function(bars)

        return compute

    def _forget_neighbours(self) -> None:
        """Unload the modules beside the file that it has imported: they may keep something between runs."""
        folder = self.path.resolve().parent
        for name in set(sys.modules) - self.standing:
            place = getattr(sys.modules[name], "__file__", None)
            ours = name.partition(".")[0] in self.standing
            if place and not ours and Path(place).resolve().is_relative_to(folder):
                del sys.modules[name]


def read_feature_file(path: Path) -> FeatureFile:
    """Read and load a feature file once, to see what it exports.

    Raises
    ------
    SettingsError
        If there is no such file, it cannot be loaded, or what it exports is not what is asked for.
    """
    try:
        code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    except OSError as error:
        msg = f"{path}: {error.strerror}; name a Python file that defines {FUNCTION}(bars)"
        raise SettingsError(msg) from error
    except (SyntaxError, ValueError) as error:
        msg = f"{path} is no Python that can be read: {error}; correct it"
        raise SettingsError(msg) from error
    standing = frozenset(sys.modules)
    with contextlib.redirect_stdout(sys.stderr):
        module = _load(path, code)
    if not callable(getattr(module, FUNCTION, None)):
        msg = (
            f"{path} defines no function {FUNCTION}; define {FUNCTION}(bars: polars.DataFrame) -> "
            "polars.DataFrame"
        )
        raise SettingsError(msg)
    declared = Declared(
        lookback=_lookback(path, getattr(module, "LOOKBACK", None)),
        known=_known(path, getattr(module, "KNOWN", {})),
    )
    return FeatureFile(path=path, code=code, declared=declared, standing=standing)


def _load(path: Path, code: CodeType) -> ModuleType:
    module = ModuleType(MODULE)
    module.__file__ = str(path)
    with _importable(path, module):
        try:
            exec(code, module.__dict__)  # noqa: S102 (the user asked for this file to be run)
        except (Exception, SystemExit) as error:
            msg = f"{path} stops while it is loaded, with {type(error).__name__}: {error}; correct it"
            raise SettingsError(msg) from error
    return module


@contextlib.contextmanager
def _importable(path: Path, module: ModuleType) -> Iterator[None]:
    """Let the file find its neighbours, and dataclasses find the file."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    sys.modules[MODULE] = module
    try:
        yield
    finally:
        sys.path.remove(folder)


def _lookback(path: Path, value: Any) -> int | Mapping[str, int] | None:
    values = list(value.values()) if isinstance(value, Mapping) else [value]
    if value is not None and not all(type(one) is int and one >= 1 for one in values):
        msg = (
            f"{path}: LOOKBACK={value!r} must be a number of sessions, t included, or a dict from features "
            "to such numbers; the least is 1"
        )
        raise SettingsError(msg)
    return value  # type: ignore[no-any-return]


def _known(path: Path, value: Any) -> Mapping[str, Known]:
    allowed = list(get_args(Known))
    if not isinstance(value, Mapping) or not set(value.values()) <= set(allowed):
        msg = f"{path}: KNOWN={value!r} must be a dict from features to one of {allowed}"
        raise SettingsError(msg)
    return value
