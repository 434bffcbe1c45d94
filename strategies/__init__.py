"""What is done with forecasts: signals, portfolios and risk build on this package."""
