"""The costs of the service, measured beside bare SQLite and tools of the same kind."""
