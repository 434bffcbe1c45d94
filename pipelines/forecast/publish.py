"""Show the as-of session's forecasts in the online store."""
