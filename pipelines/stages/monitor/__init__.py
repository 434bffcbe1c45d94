"""Compares the recent past with a reference window and gives a verdict."""
