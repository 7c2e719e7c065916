"""The word that a statement begins with, behind space and comments."""

import re

_BEGINNING = re.compile(
    r"(?>[\s\ufeff;]++|--[^\n]*+|/\*.*?(?:\*/|\Z))*+(?P<word>[A-Za-z]*)", re.DOTALL
)

READS = frozenset({"SELECT", "VALUES", "EXPLAIN"})
"""Of other statements it is not known here whether they write."""

CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"})
"""The words of statements that report how many rows they changed."""


def word_of(sql: str) -> str:
    """The first word of one statement in capitals, empty where there is none."""
    found = _BEGINNING.match(sql)
    return found["word"].upper() if found else ""
