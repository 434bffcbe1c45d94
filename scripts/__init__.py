"""Programs behind the Makefile: set-up and the test runner. They need the standard library only."""
