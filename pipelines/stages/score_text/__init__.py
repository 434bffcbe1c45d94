"""Score texts: class probabilities of each text by the active model."""
