"""What a feature is, as a digest: its entry, its expression and the code that these reach.

A model is bound to the digests of the features of its set. So a digest changes with whatever can change a
value, and with nothing else: another feature, family or set leaves it alone, as do comments, docstrings and
layout. Code is compared as syntax trees of top-level definitions of this package, followed from name to
name: from the function that computes the view, and from the functions that the expression calls.
Libraries are not followed; another version of Polars may write the same expression otherwise, which shows as
another digest.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from features.feature import Feature
from features.labels import compute_labels
from features.views import FeatureView, view_of

Place = tuple[str, str]
"""Module and name of a top-level definition."""

ReadSource = Callable[[str], str | None]

_PACKAGE = __name__.partition(".")[0]
_BY_VALUE = frozenset({f"{_PACKAGE}.feature", f"{_PACKAGE}.kernels.kernel_cache_folder"})
"""Not followed: what an entry says stands in the digest itself, and where code is kept changes no value."""

_DESCRIBED = re.compile(r"(?P<module>\w+(\.\w+)+)\.(?P<name>\w+)\(.*\)")
"""How `features.windows` names a function that Polars cannot look into."""
_WRAPPER: Place = ("features.windows", "map_kernel")
"""Stands between every such function and Polars: it says what becomes of a NaN."""


def feature_digest(name: str) -> str:
    """Return the digest of a feature: its entry, its expression, its inputs and the code that they reach.

    Returns
    -------
    str
        16 hexadecimal digits, the same in every process.

    Raises
    ------
    KeyError
        If no view holds the feature, with near matches.
    ValueError
        If its expression calls a function of Python that does not describe itself.
    """
    return _digest_feature(view_of(name), name)


def view_digest(view: FeatureView) -> str:
    """Return the digest of all that the rows of a view's table depend on, source rows aside."""
    features = [_digest_feature(view, name) for name in view.feature_names]
    return _digest([view.name, view.columns, *_rule_of(view), features])


def labels_digest() -> str:
    """Return the digest of the code that computes the labels."""
    return code_digest([_place_of(compute_labels)])


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _rule_of(view: FeatureView) -> list[object]:
    rule: list[object] = [
        view.source,
        view.version_key,
        view.row_rule,
        view.row_record,
        view.entity,
        view.cadence,
    ]
    # Double precision is what views had before it could be named: their digests, and models', stay.
    return rule if view.precision == "double" else [*rule, view.precision]


def _digest_feature(view: FeatureView, name: str) -> str:
    feature = next(one for one in view.features if one.name == name)
    expression, called = describe_expression(feature)
    said = (feature.name, feature.unit, feature.definition)
    entry = (*said, feature.lookback_sessions, feature.alignment, feature.level)
    inputs = [(read, _digest_feature(view, read)) for read in feature.inputs]
    code = code_digest({_place_of(view.compute), *called})
    return _digest([entry, _rule_of(view), expression, inputs, code])


def _place_of(function: Callable[..., object]) -> Place:
    """Return the top-level definition that holds `function`."""
    name = getattr(inspect.unwrap(function), "__qualname__", repr(function)).partition(".")[0]
    if not name.isidentifier():
        msg = f"{function!r} has no name to find its code by; make it a function of a module"
        raise ValueError(msg)
    return function.__module__, name


def describe_expression(feature: Feature) -> tuple[str, frozenset[Place]]:
    """Return a feature's expression as text, with every constant, and the functions that it calls.

    The text is Polars' own serialisation, since `str` of an expression leaves out options such as a window's
    size. Pickled functions are left out: their bytes differ from one process to the next.

    Raises
    ------
    ValueError
        If a function does not describe itself.
    """
    called: set[Place] = set()

    def plain(node: Any, alias: str) -> Any:
        if isinstance(node, list):
            return [plain(part, "") for part in node]
        if not isinstance(node, dict):
            return node
        if "Alias" in node:
            inner, name = node["Alias"]
            return {"Alias": [plain(inner, name), name]}
        if "AnonymousFunction" not in node:
            return {key: plain(part, "") for key, part in node.items()}
        told = _DESCRIBED.fullmatch(alias)
        if told is None:
            msg = f"{feature.name} calls a function that cannot be seen; use a primitive of features.windows"
            raise ValueError(msg)
        called.update({(told["module"], told["name"]), _WRAPPER})
        call = {key: plain(part, "") for key, part in node["AnonymousFunction"].items() if key != "function"}
        return {"AnonymousFunction": call}

    tree = json.loads(feature.expression.meta.serialize(format="json"))
    return json.dumps(plain(tree, ""), sort_keys=True), frozenset(called)


@dataclass(frozen=True, slots=True)
class _Module:
    """A module's top-level definitions as text, what each mentions, and where imported names come from."""

    definitions: Mapping[str, str]
    mentions: Mapping[str, frozenset[Place]]
    imports: Mapping[str, Place]

    def targets(self, module: str, name: str) -> Iterator[Place]:
        """Yield the places that a definition mentions: of this module, or imported."""
        for owner, mentioned in self.mentions[name]:
            if not owner:
                yield self.imports.get(mentioned, (module, mentioned))
            elif owner in self.imports:
                yield ".".join(self.imports[owner]), mentioned


def code_digest(
    roots: Iterable[Place],
    *,
    packages: Iterable[str] = (),
    apart: Iterable[str] = (),
    read: ReadSource | None = None,
) -> str:
    """Return the digest of the definitions that `roots` reach.

    Parameters
    ----------
    roots : iterable of (module, name)
        Where to begin. Modules outside this package are read where they hold a root.
    packages : iterable of str
        Further packages or modules that are followed into.
    apart : iterable of str
        Modules that are not followed into: what they say enters a digest some other way.
    read : callable, optional
        From a module's name to its source, None where there is none such; the installed code if left out.

    Returns
    -------
    str
        16 hexadecimal digits. Which module holds a definition does not enter, so a move changes nothing.

    Raises
    ------
    ValueError
        If a root is no top-level definition.
    """
    begin = tuple(sorted(set(roots)))
    followed = frozenset({_PACKAGE, *packages, *(module for module, _ in begin)})
    if read is None:
        return _installed_digest(begin, followed, _BY_VALUE.union(apart))
    return _digest(sorted(_reach(begin, followed, _BY_VALUE.union(apart), read)))


@cache
def _installed_digest(roots: tuple[Place, ...], followed: frozenset[str], apart: frozenset[str]) -> str:
    return _digest(sorted(_reach(roots, followed, apart, _read_source)))


def _reach(
    roots: Iterable[Place], followed: frozenset[str], apart: frozenset[str], read: ReadSource
) -> Iterator[tuple[str, str]]:
    """Yield name and text of every definition that is reached."""
    begin, seen = set(roots), set[Place]()
    waiting = list(begin)
    while waiting:
        module, name = place = waiting.pop()
        parts = module.split(".")
        within = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
        if place in seen or module in apart or followed.isdisjoint(within):
            continue
        seen.add(place)
        source = read(module)
        parsed = _parse(source) if source is not None else None
        if parsed is not None and name in parsed.definitions:
            yield name, parsed.definitions[name]
            waiting += parsed.targets(module, name)
        elif place in begin:
            msg = f"{module}.{name} is no top-level definition of a module; make it one"
            raise ValueError(msg)


@cache
def _read_source(module: str) -> str | None:
    try:
        spec = find_spec(module)
    except (ModuleNotFoundError, ValueError):  # the name of a definition, or code that no file holds
        return None
    if spec is None or spec.origin is None:
        return None
    # Workers of a cluster are handed the code in an archive, which the loader alone can read.
    read = getattr(spec.loader, "get_source", None)
    return read(module) if read is not None else Path(spec.origin).read_text("utf-8")


@cache
def _parse(source: str) -> _Module:
    tree = ast.parse(source)
    for node in ast.walk(tree):  # docstrings change no value
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
    definitions: dict[str, str] = {}
    mentions: dict[str, frozenset[Place]] = {}
    for statement in tree.body:
        for name in _defined(statement):
            definitions[name] = definitions.get(name, "") + ast.dump(statement)
            mentions[name] = mentions.get(name, frozenset()).union(_mentions(statement))
    imports = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return _Module(definitions, mentions, imports)


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return []


def _mentions(statement: ast.stmt) -> Iterator[Place]:
    """Yield the names in a definition as ("", name), and names of an owner as (owner, name)."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield "", node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr


def _is_text(line: ast.stmt) -> bool:
    value = line.value if isinstance(line, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
