"""Prepare this checkout: two Python environments, a Java and the Delta jars.

Usage: python3 scripts/setup.py [STEP …]      all steps without an argument
       python3 scripts/setup.py lock          compile requirements/*.in again

Each step leaves a stamp with the digest of what it was made from, so that a second call does nothing.
Indexes and mirrors are the user's own: pip's settings are handed on to uv, proxies to Spark's Ivy.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - whoever calls this may have an older one
    sys.exit("setup: Python 3.11 or later is needed; install it and run `make setup PYTHON=python3.11`")

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.base.jdk import LINK_NAME, NEED, Jdk, candidate_homes, choose_jdk
from pipelines.base.project import PROJECT_ROOT
from scripts.class_archive import archive_classes
from scripts.commands import SetupError, run, say
from scripts.delta_jars import fetch_jars
from scripts.kernel_cache import compile_kernels
from scripts.network import uv_environment
from scripts.stamps import clear_stamps, digest_of, is_current, write_stamp

NEWEST_PYTHON = (3, 13)
PINNED_PYTHON = "3.11"
JRE_PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless")
ADDRESS_LINE = re.compile(r"^\s*--?(?:find-links|(?:extra-)?index-url|trusted-host|f|i)\b.*\n?", re.MULTILINE)


def interpreter_for(version: tuple[int, int], executable: str) -> str:
    """Return what the environments are built on: this interpreter, or the pinned one if it is too new."""
    if version <= NEWEST_PYTHON:
        return executable
    return shutil.which(f"python{PINNED_PYTHON}") or PINNED_PYTHON


def install_tools() -> None:
    """Bring uv into an environment of its own by pip."""
    folder, requirements = PROJECT_ROOT / ".venv-tools", PROJECT_ROOT / "requirements" / "tools.txt"
    digest = digest_of([requirements])
    if is_whole(folder) and is_current(folder, digest):
        return
    say("tools", "installing uv into .venv-tools")
    make_tools_venv(folder)
    run("tools", [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(requirements)])
    write_stamp(folder, digest)


def make_tools_venv(folder: Path) -> None:
    """Create the environment, with the distribution's venv package where Python came without pip."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        install_package("tools", ("python3-venv",), fix="install your distribution's python3-venv package")
        run("tools", [sys.executable, "-m", "venv", "--clear", str(folder)])
        return
    venv.create(folder, with_pip=True, clear=True)


def is_whole(folder: Path) -> bool:
    """Tell whether the environment's interpreter is there and its scripts still lead to this very folder."""
    activate = folder / "bin" / "activate"
    if not (folder / "bin" / "python").exists() or not activate.is_file():
        return False
    return str(folder) in activate.read_text(encoding="utf-8")


def install_environment(folder_name: str, requirements_name: str) -> None:
    """Make one environment hold exactly its compiled pins."""
    folder, requirements = PROJECT_ROOT / folder_name, PROJECT_ROOT / "requirements" / requirements_name
    digest = digest_of([requirements])
    if is_whole(folder) and is_current(folder, digest):
        return
    say(folder_name, f"installing requirements/{requirements_name} (minutes the first time)")
    started = time.monotonic()
    clear_stamps(folder)
    if not is_whole(folder):
        python = interpreter_for(sys.version_info[:2], sys.executable)
        uv(folder_name, "venv", "-q", "--clear", "--python", python, str(folder))
    python = str(folder / "bin" / "python")
    uv(folder_name, "pip", "sync", "-q", "--compile-bytecode", "--python", python, str(requirements))
    write_stamp(folder, digest)
    say(folder_name, f"ready after {time.monotonic() - started:.0f} s")


def uv(step: str, *arguments: str) -> None:
    """Run uv for `step` with the user's own pip settings."""
    executable = str(PROJECT_ROOT / ".venv-tools" / "bin" / "uv")
    run(step, [executable, *arguments], env=uv_environment(os.environ, pip_settings()))


def pip_settings() -> str:
    """Return what pip itself would use: its configuration files and variables."""
    return run("tools", [str(PROJECT_ROOT / ".venv-tools" / "bin" / "python"), "-m", "pip", "config", "list"])


def install_work() -> None:
    """Build the work environment."""
    install_environment(".venv", "work.txt")


def install_project() -> None:
    """Install the project into the work environment, editable."""
    folder = PROJECT_ROOT / ".venv"
    digest = digest_of([PROJECT_ROOT / "pyproject.toml", PROJECT_ROOT / "requirements" / "work.txt"])
    if is_current(folder, digest, name="project"):
        return
    say("project", "installing bellwether into .venv (editable)")
    python = str(folder / "bin" / "python")
    uv("project", "pip", "install", "-q", "--python", python, "--no-deps", "--no-build-isolation", "-e", ".")
    write_stamp(folder, digest, name="project")


def install_airflow() -> None:
    """Build Airflow's environment."""
    install_environment(".venv-airflow", "airflow.txt")


def link_jdk() -> None:
    """Point `.jdk` at a Java that Spark can use, installing one where that is allowed."""
    java_home = os.environ.get("JAVA_HOME")
    jdk = choose_jdk(candidate_homes(PROJECT_ROOT, java_home))
    if jdk is None:
        fix = f"install {NEED} (for example {JRE_PACKAGES[0]}) or set JAVA_HOME"
        install_package("jdk", JRE_PACKAGES, fix=fix)
        jdk = choose_jdk(candidate_homes(PROJECT_ROOT, java_home))
    if jdk is None:
        raise SetupError(f"the installed package is not {NEED}; set JAVA_HOME to one that is")
    replace_link(PROJECT_ROOT / LINK_NAME, jdk)


def install_redis() -> None:
    """Bring Debian's Redis where all tests shall run; without one those that need it say so and skip."""
    if os.environ.get("CI") == "true" and shutil.which("redis-server") is None:
        try:
            install_package("redis", ("redis-server",), fix="install redis-server")
        except SetupError as error:
            say("redis", f"{error}; its tests are skipped")


def replace_link(link: Path, jdk: Jdk) -> None:
    """Make `link` lead to `jdk` unless it already does."""
    target = jdk.home.resolve()
    if link.is_symlink() and link.resolve() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    say("jdk", f"Java {jdk.version} at {target}")


def install_package(step: str, names: tuple[str, ...], *, fix: str) -> None:
    """Install the first of `names` that the distribution offers; stop with `fix` where that is impossible."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(f"{step}: {fix}, then run `make setup` again")
    say(step, f"installing {names[0]} with apt-get")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run(step, ["apt-get", "update", "-q"], env=env)
    for name in names:
        with contextlib.suppress(SetupError):
            run(step, ["apt-cache", "show", name])
            run(step, ["apt-get", "install", "-y", "-q", "--no-install-recommends", name], env=env)
            return
    raise SetupError(f"{step}: apt-get could install none of {', '.join(names)}; {fix}")


def lock() -> None:
    """Compile requirements/*.in into pins for both environments, with no index address in them."""
    for name in ("work", "airflow"):
        say("lock", f"compiling requirements/{name}.in")
        source, target = f"requirements/{name}.in", f"requirements/{name}.txt"
        options = ("--python-version", PINNED_PYTHON, "--no-emit-index-url", "--no-annotate", "-q")
        uv("lock", "pip", "compile", *options, source, "-o", target)
        pins = (PROJECT_ROOT / target).read_text(encoding="utf-8")
        (PROJECT_ROOT / target).write_text(without_addresses(pins), encoding="utf-8")


def without_addresses(pins: str) -> str:
    """Drop every line of compiled pins that says where packages come from."""
    return ADDRESS_LINE.sub("", pins)


STEPS: dict[str, Callable[[], None]] = {
    "tools": install_tools,
    "jdk": link_jdk,
    "work": install_work,
    "project": install_project,
    "jars": fetch_jars,
    "classes": archive_classes,
    "kernels": compile_kernels,
    "airflow": install_airflow,
    "redis": install_redis,
}


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let a second set-up of the same checkout wait for the first."""
    with (PROJECT_ROOT / ".setup.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """Run the named steps, or all, and return the exit status."""
    known: dict[str, Callable[[], None]] = {**STEPS, "lock": lock}
    unknown = [name for name in arguments if name not in known]
    if unknown:
        say("failed", f"no such step: {', '.join(unknown)}; choose from {', '.join(known)}")
        return 2
    try:
        with one_at_a_time():
            for name in arguments or STEPS:
                known[name]()
    except SetupError as error:
        say("failed", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
