"""BEGIN, COMMIT and their like: read here, for SQLite never gets them as the client wrote them."""

import re
from dataclasses import dataclass
from enum import Enum

from sqlexec.plan import SPACE

_LEADING = re.compile(rf"(?:{SPACE}|;)*+", re.DOTALL)
_WORD = re.compile(
    SPACE
    + r"""*+ ( "(?:[^"]|"")*" | '(?:[^']|'')*' | `(?:[^`]|``)*` | \[[^\]]*\]
    | [^\s;"'`\[\]/-]+ )""",
    re.DOTALL | re.VERBOSE,
)
_END = re.compile(rf"{SPACE}*+(?:;(?:{SPACE}|;)*+)?\Z", re.DOTALL)
_FOREIGN_KEYS = re.compile(
    rf"PRAGMA{SPACE}+foreign_keys{SPACE}*+[=(]{SPACE}*+['\"]?(\w+)['\"]?{SPACE}*+\)?",
    re.I | re.DOTALL,
)
_FIRST = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"})
_ON = frozenset({"1", "on", "yes", "true"})
_OFF = frozenset({"0", "off", "no", "false"})


class Verb(Enum):
    """The effect of a statement on the transaction."""

    BEGIN = "BEGIN"
    COMMIT = "COMMIT"
    ROLLBACK = "ROLLBACK"
    SAVEPOINT = "SAVEPOINT"
    RELEASE = "RELEASE"
    ROLLBACK_TO = "ROLLBACK TO"
    FOREIGN_KEYS = "PRAGMA foreign_keys"


@dataclass(frozen=True, slots=True)
class Control:
    """A statement of transaction control. `name` is a savepoint's; `flag` READONLY, or ON."""

    verb: Verb
    name: str = ""
    flag: bool = False


def control_of(sql: str) -> Control | None:
    """Return a text's effect on the transaction; None if it is another statement, or malformed."""
    start = _LEADING.match(sql)
    begin = start.end() if start else 0
    if _FOREIGN_KEYS_BEGIN.match(sql, begin):
        return _foreign_keys(sql, begin)
    if not _FIRST_BEGIN.match(sql, begin):
        return None
    words, end = _words(sql, begin)
    if not words or words[0].upper() not in _FIRST or not _END.match(sql, end):
        return None
    return _control([word.upper() for word in words], words)


_FOREIGN_KEYS_BEGIN = re.compile("PRAGMA", re.I)
_FIRST_BEGIN = re.compile("|".join(sorted(_FIRST)), re.I)


def _foreign_keys(sql: str, begin: int) -> Control | None:
    found = _FOREIGN_KEYS.match(sql, begin)
    value = found[1].lower() if found and _END.match(sql, found.end()) else ""
    if value in _ON | _OFF:
        return Control(Verb.FOREIGN_KEYS, flag=value in _ON)
    return None


def _words(sql: str, begin: int) -> tuple[list[str], int]:
    """The words of a statement, five of them at most: no control has more."""
    words: list[str] = []
    while len(words) < _WORDS_MAX and (found := _WORD.match(sql, begin)):
        words.append(found[1])
        begin = found.end()
        if len(words) == 1 and words[0].upper() not in _FIRST:
            break
    return words, begin


_WORDS_MAX = 5


def _control(upper: list[str], words: list[str]) -> Control | None:
    first, behind = upper[0], [word for word in upper[1:] if word != "TRANSACTION"]
    control = None
    if first == "BEGIN" and set(behind) <= _MODES:
        control = Control(Verb.BEGIN, flag="READONLY" in behind)
    elif first in {"COMMIT", "END"} and not behind:
        control = Control(Verb.COMMIT)
    elif first == "ROLLBACK" and not behind:
        control = Control(Verb.ROLLBACK)
    elif first == "ROLLBACK" and behind[:-1] in (["TO"], ["TO", "SAVEPOINT"]):
        control = Control(Verb.ROLLBACK_TO, _name(words[-1]))
    elif first == "SAVEPOINT" and len(words) == len(["SAVEPOINT", "name"]):
        control = Control(Verb.SAVEPOINT, _name(words[-1]))
    elif first == "RELEASE" and upper[1:-1] in ([], ["SAVEPOINT"]) and len(words) > 1:
        control = Control(Verb.RELEASE, _name(words[-1]))
    return control


_MODES = frozenset({"DEFERRED", "IMMEDIATE", "EXCLUSIVE", "CONCURRENT", "READONLY"})


def _name(word: str) -> str:
    quote = word[0]
    if quote == "[":
        return word[1:-1]
    if quote in "\"'`":
        return word[1:-1].replace(quote * 2, quote)
    return word


def is_empty(sql: str) -> bool:
    """Return whether a text is only space and comments."""
    found = _LEADING.match(sql)
    return found is not None and found.end() == len(sql)
