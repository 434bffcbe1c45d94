"""What is predicted: forecasters, splits, metrics and selection; no input or output."""
