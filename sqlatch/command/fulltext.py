"""Full-text indexes: where one keeps its texts, and what else it was told."""

import re
from enum import Enum

from sqlatch.client import Client
from sqlatch.command.schema import Definition, Table, folded, quoted
from sqlatch.kernel.values import Row

_TOKEN = re.compile(
    r"""
    (?P<space> \s++ | --[^\n]*+ | /\*(?>.*?(?:\*/|\Z)) )
    | (?P<quoted> '(?:[^']|'')*+' | "(?:[^"]|"")*+" | `(?:[^`]|``)*+` | \[[^\]]*+\] )
    | (?P<word> [\w$\x80-\U0010ffff]++ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


class Content(Enum):
    """The place of the texts of an index."""

    OWN = "in the index"
    OTHER = "in another table or view"
    NONE = "nowhere"


def is_full_text(table: Table) -> bool:
    """Return whether a virtual table is of FTS3, FTS4 or FTS5, as its hidden columns tell."""
    return table.kind == "virtual" and folded(table.name) in map(folded, table.hidden)


def content_of(made: Definition) -> Content:
    """Return where a full-text index keeps its texts, by the option `content` of its definition.

    SQLite answers this nowhere else: an index without texts and one whose texts are all NULL give
    the same rows.
    """
    for argument in _arguments(made.sql):
        if len(argument) >= len("x=") and (folded(argument[0]), argument[1]) == ("content", "="):
            value = "".join(argument[2:])
            empty = not value or (value[0] in "'\"`[" and not value[1:-1])
            return Content.NONE if empty else Content.OTHER
    return Content.OWN


def configuration(client: Client, table: Table) -> list[Row]:
    """Return the settings of an FTS5 index that were made after it (rank, automerge, ...)."""
    if "rank" not in map(folded, table.hidden):
        return []
    sql = f"SELECT k, v FROM {quoted(table.name + '_config')} WHERE k <> 'version' ORDER BY k"  # noqa: S608
    return client.query(sql).rows


def _arguments(sql: str) -> list[list[str]]:
    """The tokens of each argument of a virtual table's module."""
    arguments: list[list[str]] = []
    depth = 0
    for token in _TOKEN.finditer(sql):
        text = token[0]
        if token.lastgroup == "space":
            continue
        depth += (text == "(") - (text == ")")
        if (text == "(" and depth == 1) or (text == "," and depth == 1):
            arguments.append([])
        elif depth:
            arguments[-1].append(text)
    return arguments
