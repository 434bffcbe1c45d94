"""Forecast: a session's universe scored with the champion of that moment."""
