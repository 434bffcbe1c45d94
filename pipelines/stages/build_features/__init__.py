"""Build features and labels: every value as it was known at each decision instant."""
