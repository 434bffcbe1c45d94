"""Promote: whether the candidate takes over, and why, in the ledger."""
