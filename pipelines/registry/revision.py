"""Which code made a model: a digest of what its fit rests on, and the commit where there is one."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

from models.families import find_family
from pipelines.base.project import PROJECT_ROOT

FIT_MODULES = (
    "models.training", "models.splits", "models.targets", "pipelines.registry.fitting",
    "pipelines.registry.training_frame",
)  # fmt: skip
"""What every fit rests on, whatever its family."""
FAMILY_LIST = "models.families"
"""Names every family: another entry in it changes no model of this one."""


def digest_family_code(family: str, *, root: Path = PROJECT_ROOT) -> str:
    """Return the SHA-256 over the code that a fit of `family` rests on.

    Counted are the family's own module, `FIT_MODULES` and all that these import of `models`: as syntax trees
    without docstrings, so that words and layout change nothing. It is the same in a repository, an unpacked
    archive and an installed package.
    """
    module = find_family(family).forecaster.partition(":")[0]
    digest = hashlib.sha256()
    for name in sorted(_reached((*FIT_MODULES, module), root)):
        digest.update(f"{name}\n{_syntax(_path(name, root))}\n".encode())
    return digest.hexdigest()


def _path(module: str, root: Path) -> Path:
    return root / f"{module.replace('.', '/')}.py"


def _reached(modules: Iterable[str], root: Path) -> set[str]:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name == FAMILY_LIST:
            continue
        found.add(name)
        tree = ast.parse(_path(name, root).read_text(encoding="utf-8"))
        imports = (node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        waiting += [module for module in imports if module and module.startswith("models.")]
    return found


def _syntax(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


def read_git_commit(root: Path = PROJECT_ROOT) -> str:
    """Return the checked-out commit, read from the repository's files; empty where there is none."""
    head = root / ".git" / "HEAD"
    if not head.is_file():
        return ""
    kind, _, name = head.read_text(encoding="utf-8").strip().partition(": ")
    if kind != "ref":
        return kind
    loose = root / ".git" / name
    if loose.is_file():
        return loose.read_text(encoding="utf-8").strip()
    # Git packs branches that have not moved for a while into one file of "commit name" lines.
    packed = root / ".git" / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    pairs = (line.split() for line in lines)
    return next((pair[0] for pair in pairs if len(pair) == 2 and pair[1] == name), "")
