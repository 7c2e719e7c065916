"""A text of SQL as its statements; SQLite's own tokenizer says where each ends."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SCRIPT_CHARACTERS_MAX = 5_000_000
LINE_CHARACTERS_SHOWN_MAX = 100


def is_complete(text: str) -> bool:
    """Return whether the text ends where a statement does."""
    return sqlite3.complete_statement(text)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of a text, with its semicolon, and the line that it begins on, from 1."""

    sql: str
    line: int

    def shown_at(self, offset_bytes: int, places: Sequence[str]) -> str:
        """Return a place in the statement, for the end of a message, with its line of SQL."""
        before = self.sql.encode()[:offset_bytes].decode(errors="ignore").count("\n")
        line = self.sql.splitlines()[before].strip()[:LINE_CHARACTERS_SHOWN_MAX]
        return f" ({', '.join(places)}, line {self.line + before})\n  {line}"


def statements(text: str) -> Iterator[str]:
    """The statements, each with its semicolon; the last one may have none."""
    for one in located(text):
        yield one.sql


def located(text: str, line: int = 1) -> Iterator[Statement]:
    """The statements of a text whose first line has this number."""
    begun = ""
    for part in _parts(text):
        begun += part
        if part.endswith(";") and is_complete(begun):
            yield _placed(begun, line)
            line += begun.count("\n")
            begun = ""
    if not _is_blank(begun):
        yield _placed(begun, line)


def _placed(begun: str, line: int) -> Statement:
    sql = begun.strip()
    return Statement(sql, line + begun.partition(sql)[0].count("\n"))


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
