"""Keep Spark's loaded classes in a JVM archive, so that each later start maps instead of loading them."""

from __future__ import annotations

import os
import tempfile

from pipelines.base.jdk import CLASS_ARCHIVE, LINK_NAME
from pipelines.base.project import PROJECT_ROOT
from scripts.commands import SetupError, run, say
from scripts.stamps import digest_of, is_current, write_stamp

MADE_BY = (
    "scripts/class_archive.py",
    "scripts/rehearsal.py",
    "pipelines/io/spark.py",
    "conf/base/spark.yaml",
)


def archive_classes() -> None:
    """Rehearse a stage's Spark work and archive the classes that it loaded; nothing depends on it."""
    folder = PROJECT_ROOT / ".jars"
    java = (PROJECT_ROOT / LINK_NAME).resolve()
    made_by = [PROJECT_ROOT / name for name in MADE_BY]
    version = [path for path in (java / "release",) if path.is_file()]
    digest = f"{digest_of([PROJECT_ROOT / 'requirements' / 'work.txt', *version, *made_by])} {java}"
    if is_current(folder, digest, name="classes"):
        return
    say("classes", "archiving Spark's classes for quicker starts")
    archive = folder / CLASS_ARCHIVE
    fresh = folder / f"{CLASS_ARCHIVE}.new"
    for old in (archive, fresh):
        old.unlink(missing_ok=True)
    python = str(PROJECT_ROOT / ".venv" / "bin" / "python")
    env = dict(os.environ, JAVA_HOME=str(PROJECT_ROOT / LINK_NAME))
    with tempfile.TemporaryDirectory(prefix="bellwether-classes-") as scratch:
        try:
            run("classes", [python, "-m", "scripts.rehearsal", str(fresh), scratch], env=env)
        except SetupError as error:
            say("classes", f"left out, starts stay slower: {error}")
            return
    if not fresh.is_file():
        say("classes", "left out, starts stay slower: the JVM wrote no archive")
        return
    fresh.replace(archive)
    write_stamp(folder, digest, name="classes")
