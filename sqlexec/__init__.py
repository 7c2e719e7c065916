"""Statements in, rows out: SQL on shared SQLite files. The only room that knows SQLite's API."""
