"""What is offered: the prediction service."""
