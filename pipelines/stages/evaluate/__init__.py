"""Evaluate: the candidate beside its baselines on the very same rows."""
