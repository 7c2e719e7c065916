"""A text of SQL as its statements; SQLite's own tokenizer says where each ends."""

import sqlite3
from collections.abc import Iterator

SCRIPT_CHARACTERS_MAX = 5_000_000


def is_complete(text: str) -> bool:
    """Return whether the text ends where a statement does."""
    return sqlite3.complete_statement(text)


def statements(text: str) -> Iterator[str]:
    """The statements, each with its semicolon; the last one may have none."""
    begun = ""
    for part in _parts(text):
        begun += part
        if part.endswith(";") and is_complete(begun):
            yield begun.strip()
            begun = ""
    if not _is_blank(begun):
        yield begun.strip()


def _parts(text: str) -> Iterator[str]:
    """The text, cut behind every semicolon: also those within a text or a trigger."""
    start = 0
    while (end := text.find(";", start)) >= 0:
        yield text[start : end + 1]
        start = end + 1
    yield text[start:]


def _is_blank(text: str) -> bool:
    """Return whether a text is only space and comments; SQLite takes it for whole with a `;`."""
    return not text.strip() or _is_comment(text)


def _is_comment(text: str) -> bool:
    rest = text.strip()
    while rest:
        if rest.startswith("--"):
            rest = rest.partition("\n")[2].lstrip()
        elif rest.startswith("/*"):
            rest = rest.partition("*/")[2].lstrip()
        else:
            return False
    return True
