"""Programs that the Makefile calls, on Python's standard library alone."""
