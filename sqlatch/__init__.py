"""What callers of the service install: the error classes today, the clients beside them later."""

__version__ = "0.1.0"
