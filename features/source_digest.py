"""A digest of the package's code that ignores comments, docstrings and layout."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.resources import files

_NOT_FORMULAS = frozenset({"source_digest.py", "page.py", "leakage.py"})


def _without_docstrings(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


@cache
def digest_sources() -> str:
    """Return the SHA-256 of the package's modules, in hexadecimal digits."""
    modules = sorted(files("features").iterdir(), key=lambda module: module.name)
    digest = hashlib.sha256()
    for module in modules:
        if module.name.endswith(".py") and module.name not in _NOT_FORMULAS:
            digest.update(f"{module.name}\n{_without_docstrings(module.read_text('utf-8'))}\n".encode())
    return digest.hexdigest()
