"""What the service costs, measured beside bare SQLite and the tools that do the like."""
