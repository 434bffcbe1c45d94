"""Ingest: land what a source sent, as it was sent."""
