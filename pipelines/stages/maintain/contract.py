"""Tables that maintain rewrites: all of them, and no row of any."""

from pipelines.tables.contracts import TABLES

READS = TABLES
WRITES = TABLES
