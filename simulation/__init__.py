"""The simulated market: pure, no input or output."""
