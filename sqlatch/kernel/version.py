"""The version of the project: of the service, of its client, and of the wheel."""

__version__ = "0.1.0"
