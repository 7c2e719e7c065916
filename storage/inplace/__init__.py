"""Databases as SQLite files that are changed in place."""
