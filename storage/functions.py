"""SQLite's functions whose cost is the product of two lengths, replaced by linear ones.

SQLite's own `instr` compares the whole needle at each character, its `trim` looks each character up
in a list: with values of 16 MiB one call takes minutes, and nothing ends it.
"""

from collections.abc import Callable
from functools import cache
from typing import AnyStr

import apsw

from sqlatch.kernel.values import Value
from storage import vectors

FLAGS = apsw.SQLITE_INNOCUOUS | apsw.SQLITE_DETERMINISTIC
"""They may stand in a schema, as SQLite's own do: an index of instr(x, '/'), a generated column."""

LARGE_CHARACTERS = 64 * 1024
"""From here on a call takes long enough to look at the clock before it."""

LENGTH_BYTES_MAX = 16 * 1024 * 1024

CHARACTERS_STRIPPED_MAX = 100
"""Python's own strip looks each character up in a list too; so a long list becomes a set."""

_CONTINUATION = bytes(range(0x80, 0xC0))
_CONTINUATION_BYTES = frozenset(bytes([byte]) for byte in _CONTINUATION)
_HEX_DIGITS = b"0123456789abcdefABCDEF"
_NO_DIGITS = bytes(sorted(set(range(256)) - set(_HEX_DIGITS)))
_DIGITS_AS_ZEROS = bytes(0x30 if byte in _HEX_DIGITS else 0x20 for byte in range(256))


def install(connection: apsw.Connection, check_deadline: Callable[[], object]) -> None:
    """Let the connection's statements use these instead of SQLite's own, and those of vectors.

    `check_deadline` raises if the deadline is past. Texts that are not UTF-8 never get here: apsw
    refuses them.
    """
    functions: tuple[tuple[str, Callable[..., Value]], ...] = (
        ("instr", instr), ("replace", replace), ("trim", trim), ("ltrim", ltrim), ("rtrim", rtrim),
        ("unhex", unhex),
    )  # fmt: skip
    vectors.install(connection)
    for name, function in functions:
        count = 3 if function is replace else 2
        connection.create_scalar_function(
            name, _in_time(function, check_deadline), count, deterministic=True, flags=FLAGS
        )


def instr(text: Value, wanted: Value) -> Value:
    """The place of the first `wanted`, from 1, in characters or in the bytes of a blob; else 0."""
    if type(text) is str and type(wanted) is str:
        return text.find(wanted) + 1
    if text is None or wanted is None:
        return None
    if isinstance(text, bytes) and isinstance(wanted, bytes):
        return text.find(wanted) + 1
    if isinstance(text, bytes) or isinstance(wanted, bytes):
        return _instr_of_characters(_as_bytes(text), _as_bytes(wanted))
    return _as_text(text).find(_as_text(wanted)) + 1


def replace(text: Value, wanted: Value, instead: Value) -> Value:
    """The text with each `wanted` replaced."""
    if text is None or wanted is None:
        return None
    if isinstance(text, bytes) or isinstance(wanted, bytes) or isinstance(instead, bytes):
        found = _replaced(_as_bytes(text), _as_bytes(wanted), instead, _as_bytes, b"\0")
        return None if found is None else found.decode()
    return _replaced(_as_text(text), _as_text(wanted), instead, _as_text, "\0")


def trim(text: Value, characters: Value) -> Value:
    """The text without those characters at its ends."""
    return _trimmed(text, characters, left=True, right=True)


def ltrim(text: Value, characters: Value) -> Value:
    """The text without those characters at its beginning."""
    return _trimmed(text, characters, left=True, right=False)


def rtrim(text: Value, characters: Value) -> Value:
    """The text without those characters at its end."""
    return _trimmed(text, characters, left=False, right=True)


def unhex(text: Value, ignored: Value) -> Value:
    """The bytes that hexadecimal digits stand for; None if there are others than those ignored."""
    if text is None or ignored is None:
        return None
    read = _as_text(text).partition("\0")[0].encode()
    if b"0" in read.translate(_DIGITS_AS_ZEROS).replace(b"00", b""):
        # A digit without its second.
        return None
    others = read.translate(None, _HEX_DIGITS).decode()
    if not _characters(others) <= _characters(_as_text(ignored)):
        return None
    return bytes.fromhex(read.translate(None, _NO_DIGITS).decode())


def _in_time(function: Callable[..., Value], check: Callable[[], object]) -> Callable[..., Value]:
    def call(first: Value, *others: Value) -> Value:
        if isinstance(first, str | bytes) and len(first) > LARGE_CHARACTERS:
            check()
        return function(first, *others)

    return call


def _instr_of_characters(text: bytes, wanted: bytes) -> int:
    """The place of a part that begins where a character does, counted in characters."""
    if wanted[:1] in _CONTINUATION_BYTES:
        return int(text.startswith(wanted))
    at = text.find(wanted)
    return 1 + len(text[1 : at + 1].translate(None, _CONTINUATION)) if at >= 0 else 0


def _replaced(
    text: AnyStr, wanted: AnyStr, instead: Value, convert: Callable[[Value], AnyStr], nul: AnyStr
) -> AnyStr | None:
    if not wanted or wanted.startswith(nul):
        return text
    if instead is None:
        return None
    new = convert(instead)
    grows_by = len(new) - len(wanted)
    if grows_by > 0 and len(text) + text.count(wanted) * grows_by > LENGTH_BYTES_MAX:
        raise apsw.TooBigError("string or blob too big")
    return text.replace(wanted, new)


def _trimmed(text: Value, characters: Value, *, left: bool, right: bool) -> Value:
    if text is None or characters is None:
        return None
    trimmed = _as_text(text)
    unwanted = _characters(_as_text(characters).partition("\0")[0])
    if left:
        trimmed = trimmed[_run_length(trimmed, unwanted) :]
    if right:
        trimmed = trimmed[: len(trimmed) - _run_length(trimmed[::-1], unwanted)]
    return trimmed


def _run_length(text: str, characters: frozenset[str]) -> int:
    """Return the number of characters before the first that is not one of these."""
    if len(characters) <= CHARACTERS_STRIPPED_MAX:
        return len(text) - len(text.lstrip("".join(characters)))
    start = 0
    while chunk := text[start : start + LARGE_CHARACTERS]:
        if not characters.issuperset(chunk):
            return start + next(at for at, one in enumerate(chunk) if one not in characters)
        start += LARGE_CHARACTERS
    return len(text)


def _characters(text: str) -> frozenset[str]:
    """The characters that there are in a text."""
    if len(text) > LARGE_CHARACTERS and text.isascii():
        return frozenset(character for character in map(chr, range(128)) if character in text)
    return frozenset(text)


def _as_text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    return str(_sqlite().execute("SELECT CAST(? AS TEXT)", (value,)).get)


def _as_bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else _as_text(value).encode()


@cache
def _sqlite() -> apsw.Connection:
    """Return a connection that is used to write numbers as SQLite writes them."""
    return apsw.Connection(":memory:")
