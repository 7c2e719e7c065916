"""A database that another node keeps: its log is read over HTTP, and a copy follows it."""
