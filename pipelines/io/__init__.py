"""The rim: every client library is imported in this package and nowhere else."""

import os

# delta-rs has as many workers as there are cores, and one of them waits for the rows that a write is made of.
# On one core those that read a table for the next rows would wait for it for ever.
os.environ.setdefault("TOKIO_WORKER_THREADS", "4")
