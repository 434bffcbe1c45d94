"""Publishes the newest known feature rows to the online store."""
