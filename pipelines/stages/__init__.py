"""The stages: one folder each, read by contract, steps, check, write."""
