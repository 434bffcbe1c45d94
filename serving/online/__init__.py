"""The online store: its protocol, the layout of its rows, and the reader that the service uses."""
