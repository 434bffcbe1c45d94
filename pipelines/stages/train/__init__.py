"""Train: the point-in-time frame, walk-forward fits and a registered version."""
