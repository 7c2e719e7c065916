"""The shape of a statement: its text without values, comments, and names of parameters."""

import re
from functools import lru_cache
from hashlib import sha256

import apsw

READ_CHARACTERS_MAX = 20_000
"""Of a text: the shape of a longer one is that of its beginning."""

SHOWN_CHARACTERS_MAX = 400
TEXTS_KEPT = 512

_KEYWORDS = frozenset(apsw.keywords)
_TABLE_FOLLOWS = frozenset({"FROM", "INTO", "JOIN", "TABLE", "UPDATE"})

_TOKEN = re.compile(
    r"""
      (?P<space> [\s\ufeff]++ | --[^\n]*+ | /\*.*?(?:\*/|\Z) )
    | (?P<value> [xX]?'(?:[^']|'')*+(?:'|\Z)
        | (?:\d|\.\d)(?:[eE][+-]?\d|[\w.])*+
        | \?\d*+ | [:@\#$][\w$:]++(?:\([^)\s]*+\)?)?+ )
    | (?P<double> "(?:[^"]|"")*+(?:"|\Z) )
    | (?P<word> `(?:[^`]|``)*+(?:`|\Z) | \[[^\]]*+(?:\]|\Z) | [^\W\d][\w$]*+ )
    | (?P<sign> \|\| | ->>? | <<|>>|<=|>=|<>|==|!= | . )
    """,
    re.DOTALL | re.VERBOSE,
)
_VALUES = re.compile(r"\?(?: , \?)+")
_NO_SPACE = re.compile(r" (?=[,.)])|(?<=[.(]) ")
_ROWS = re.compile(r"(\( \?(?: , \.\.\.)? \))(?: , \( \?(?: , \.\.\.)? \))+")


@lru_cache(TEXTS_KEPT)
def fingerprint(sql: str) -> tuple[str, str]:
    """Return a name of the shape of a statement, 12 hexadecimal digits, and the shape itself.

    Texts that differ in values, in how many there are in a list, in how many rows, in space,
    comments or the case of keywords have one shape. A double-quoted word is a text where no column
    has its name, so it is kept only where it must be a name: beside a dot, or where a table stands.
    """
    tokens = [
        (str(found.lastgroup), found[0])
        for found in _TOKEN.finditer(sql[:READ_CHARACTERS_MAX])
        if found.lastgroup != "space"
    ]
    words: list[str] = []
    for place, (kind, text) in enumerate(tokens):
        if kind == "value" or (kind == "double" and not _is_a_name(tokens, place)):
            words.append("?")
        elif kind == "word" and text.upper() in _KEYWORDS:
            words.append(text.upper())
        else:
            words.append(text)
    while words and words[-1] == ";":
        words.pop()
    shape = _ROWS.sub(r"\1", _VALUES.sub("? , ...", " ".join(words)))
    shape = _NO_SPACE.sub("", shape)
    return sha256(shape.encode()).hexdigest()[:12], shape[:SHOWN_CHARACTERS_MAX]


def _is_a_name(tokens: list[tuple[str, str]], place: int) -> bool:
    before = tokens[place - 1][1].upper() if place else ""
    after = tokens[place + 1][1] if place + 1 < len(tokens) else ""
    return "." in (before, after) or before in _TABLE_FOLLOWS
