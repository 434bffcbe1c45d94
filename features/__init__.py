"""What is known: point-in-time features, labels and exchange sessions."""
