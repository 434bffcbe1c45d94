"""Find a Java that Spark can use. Standard library only: set-up calls this before anything is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MINIMUM_VERSION = 17
VECTOR_MODULE = "jdk.incubator.vector"
LINK_NAME = ".jdk"
CLASS_ARCHIVE = "spark.jsa"
"""Beside the Delta jars: the JVM archive of the classes that Spark loads, made by set-up."""
SYSTEM_FOLDER = Path("/usr/lib/jvm")
NEED = f"Java {MINIMUM_VERSION} or later with the module {VECTOR_MODULE}"


@dataclass(frozen=True, slots=True)
class Jdk:
    """One Java installation.

    Attributes
    ----------
    home : Path
        What `JAVA_HOME` would be set to.
    version : int
        Feature release, such as 17.
    has_vector_module : bool
        Whether the module is there that Spark's vectorised readers load.
    """

    home: Path
    version: int
    has_vector_module: bool

    @property
    def usable(self) -> bool:
        """Whether Spark starts on it."""
        return self.version >= MINIMUM_VERSION and self.has_vector_module


def inspect_jdk(home: Path) -> Jdk | None:
    """Describe the Java at `home`, or return None where there is none."""
    if not (home / "bin" / "java").exists():
        return None
    release = home / "release"
    text = release.read_text(encoding="utf-8", errors="replace") if release.is_file() else ""
    version = parse_version(text)
    modules = parse_modules(text)
    if version is None:
        return None
    if not modules:
        command = [str(home / "bin" / "java"), "--list-modules"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        modules = frozenset(line.split("@")[0] for line in answer.stdout.splitlines())
    return Jdk(home, version, VECTOR_MODULE in modules)


def parse_version(release: str) -> int | None:
    """Return the feature release that a `release` file names: 8 for ``1.8.0_402``, 17 for ``17.0.15``."""
    found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    return int(found.group(1)) if found else None


def parse_modules(release: str) -> frozenset[str]:
    """Return the modules that a `release` file lists; an empty set where it lists none."""
    found = re.search(r'^MODULES="([^"]*)"', release, re.MULTILINE)
    return frozenset(found.group(1).split()) if found else frozenset()


def candidate_homes(root: Path, java_home: str | None) -> Iterator[Path]:
    """Yield the places to look at: what was asked for, what set-up chose, PATH, then the system's folder."""
    if java_home:
        yield Path(java_home)
    yield root / LINK_NAME
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path).resolve().parents[1]
    yield from sorted(SYSTEM_FOLDER.glob("*"))


def choose_jdk(homes: Iterable[Path]) -> Jdk | None:
    """Return the first usable Java of `homes`, or None."""
    found = (inspect_jdk(home) for home in homes)
    return next((jdk for jdk in found if jdk is not None and jdk.usable), None)
