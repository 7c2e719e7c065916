"""How a database is kept."""
