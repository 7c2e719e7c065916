"""Who may write: the lease on a database, its tables, and time."""
