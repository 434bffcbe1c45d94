"""Putting it together: settings, an opened home, the runner."""
