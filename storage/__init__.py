"""Storage: the ways in which a database is kept."""
