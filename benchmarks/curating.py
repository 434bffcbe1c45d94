"""2.4 million bars curated, beside plain Spark that reads as many from files and writes them to Delta once.

The files are those of `benchmarks.landing`. Each turn lands them in a home of its own, which is not timed,
then runs plain Spark and `bellwether curate` in processes of their own, one after the other, with the same
engine settings; what is compared is the wall-clock seconds of whole processes, the JVM's start included.

    python -m benchmarks.curating [--symbols 1905] [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.daily_run import timed
from benchmarks.landing import FIRST, LAST, PLAIN, landing, render, write_files
from pipelines.app.settings import load_settings

RESULT = Path(__file__).parent / "results" / "curating.md"


def curating(files: Path, home: Path) -> list[str]:
    """Return the command line of curate on a home in which the files have landed."""
    program, _, *rest = landing(files, home)
    return [program, "curate", *rest]


def tell_story(rows: int) -> str:
    """Return what is measured here."""
    return (
        f"{rows:,} bars of bronze judged, put into chains of versions and written to silver by `bellwether "
        f"curate` ({FIRST} to {LAST}), beside Spark ({load_settings()[0].spark.master}) that reads as many "
        "bars from files and writes them to Delta once. Wall-clock seconds of whole processes, on "
        f"{os.cpu_count()} cores, taken in turn."
    )


def main() -> int:
    """Write the files, repeat, print and write; return 0 if the ratio is as small as wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=1905)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    turns = []
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "files"
        files.mkdir()
        rows = write_files(files, asked.symbols)
        for turn in range(asked.repeats):
            home, plain = Path(scratch) / f"home{turn}", Path(scratch) / f"plain{turn}"
            plain.mkdir()
            timed(landing(files, home))
            turns.append(
                (timed([sys.executable, "-c", PLAIN, str(files), str(plain)]), timed(curating(files, home)))
            )
            for folder in (home, plain):
                shutil.rmtree(folder, ignore_errors=True)  # its JVM may still be tidying up
            print(f"turn {turn + 1}: {turns[-1][0]:.1f} s and {turns[-1][1]:.1f} s", flush=True)
    page, met = render("Curating", tell_story(rows), "curate", turns)
    print(page)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(page, encoding="utf-8")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
