"""The table that every subject reads and writes, and the two statements it does that with."""

FILE = "main.db"
ROWS = 10_000
NOTE_CHARACTERS = 12

SCHEMA = """CREATE TABLE things (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL, weight REAL NOT NULL,
    note TEXT
)"""
READ = "SELECT id, name, size, weight, note FROM things WHERE id = ?"
WRITE = "INSERT INTO things (name, size, weight, note) VALUES (?, ?, ?, ?)"

STRIDE = 7919
"""A prime: reads go all over the table, the same way for every subject."""


def row_of(turn: int, rows: int = ROWS) -> int:
    """The row that the turn-th read asks for."""
    return turn * STRIDE % rows + 1


def name_of(number: int) -> str:
    """Return the value of the column `name` in that row."""
    return f"thing-{number:06}"


def values_of(number: int) -> tuple[str, int, float, str]:
    """Return the row that the write of that number inserts."""
    return (name_of(number), number * 7 % 1000, number * 0.25, "x" * NOTE_CHARACTERS)
