"""Compile the feature kernels once, on the machine that runs them, so that no stage waits for it."""

from __future__ import annotations

from pipelines.base.project import PROJECT_ROOT
from scripts.commands import SetupError, run, say
from scripts.stamps import digest_of, is_current, write_stamp

KERNELS = PROJECT_ROOT / "features" / "kernels"


def compile_kernels() -> None:
    """Compute every feature of a few bars, which compiles and keeps what they rest on."""
    kept = KERNELS / "__pycache__"
    sources = [PROJECT_ROOT / "requirements" / "work.txt", *sorted(KERNELS.glob("*.py"))]
    digest = f"{digest_of(sources)} {KERNELS}"  # numba's own names hold the path
    if is_current(kept, digest, name="kernels"):
        return
    say("kernels", "compiling the feature kernels (a minute the first time)")
    try:
        run("kernels", [str(PROJECT_ROOT / ".venv" / "bin" / "python"), "-m", "scripts.feature_rehearsal"])
    except SetupError as error:
        say("kernels", f"left out, the first build of features waits for them: {error}")
        return
    kept.mkdir(exist_ok=True)
    write_stamp(kept, digest, name="kernels")
