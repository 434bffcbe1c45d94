"""Feast declarations, generated from the catalog."""
