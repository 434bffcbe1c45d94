"""The rim: every client library is imported in this package and nowhere else."""
