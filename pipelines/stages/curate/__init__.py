"""Curate: turn records as sent into clean tables whose every version says when it was known."""
