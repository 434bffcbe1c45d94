"""The online store: its protocol, the layout of its rows, how Feast keeps them, and a cache of them."""
