"""A text of several statements, cut where SQLite would cut it."""

import re
from collections.abc import Iterator

QUOTED = r"""(?:'[^']*+(?:'|\Z) | "[^"]*+(?:"|\Z) | `[^`]*+(?:`|\Z) | \[[^\]]*+(?:\]|\Z))"""

_TOKEN = re.compile(
    rf"""
    (?P<space> \s++ | --[^\n]*+ | /\*(?>.*?(?:\*/|\Z)) )
    | (?P<quoted> {QUOTED} )
    | (?P<word> [\w$\x80-\U0010ffff]++ )
    | (?P<end> ; )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BEFORE_CREATE = re.compile(r"(?:EXPLAIN (?:QUERY PLAN )?)?CREATE (?:TEMP |TEMPORARY )?TRIGGER\b")
_WORDS_LOOKED_AT = 6


def statements(script: str) -> Iterator[str]:
    """The statements of a script, in order; what is behind the last semicolon is the last one.

    A semicolon ends a statement unless it stands in a text, a comment or a trigger, which only ends
    with `; END;`.
    """
    start = 0
    words: list[str] = []
    last_two = ("", "")
    for token in _TOKEN.finditer(script):
        if token.lastgroup == "space":
            continue
        text = token[0].upper() if token.lastgroup == "word" else token[0]
        if text != ";":
            words += [text] * (len(words) < _WORDS_LOOKED_AT)
        elif last_two == (";", "END") or not _BEFORE_CREATE.match(" ".join(words)):
            yield script[start : token.end()]
            start = token.end()
            words = []
            text = ""
        last_two = (last_two[1], text)
    yield script[start:]
