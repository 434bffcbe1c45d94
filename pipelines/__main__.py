"""`python -m pipelines`, and the file that `spark-submit` is given."""

import sys
from pathlib import Path

if sys.path and Path(sys.path[0]) == Path(__file__).resolve().parent:
    # Run by its path, this folder stands first, and its module names would hide those of other packages.
    del sys.path[0]

from pipelines.cli.main import main

if __name__ == "__main__":
    main()
