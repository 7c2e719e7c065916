"""The lease: the right to write to a database, its tables, and time."""
