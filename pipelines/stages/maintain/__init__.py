"""Keeps the lake quick and the disk free."""
