"""The engine that keeps each database as a log of its transactions."""
