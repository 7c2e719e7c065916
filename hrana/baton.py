"""The baton: a stream's state, signed, so that any instance can go on with it."""

import base64
import binascii
import hashlib
import hmac
import zlib
from typing import Any

from pydantic_core import from_json, to_json

from hrana.files import LOG, TEXTS, Files
from hrana.refusals import RequestRefused
from hrana.state import Entry, Log, LogFile, State

INLINE_BYTES_MAX = 32 * 1024
"""Larger states are kept in files: that costs less than sending them back and forth."""

IDLE_S = 60
FORMAT = b"2"
"""Changes with what is in a baton: one of another version of the service is told so."""

_SIGNATURE_BYTES = 16
_TIME_BYTES = 6
_LENGTH_BYTES = 4
_LEVEL = 1


class StreamExpired(RequestRefused):
    """The stream is over. What of its `state` was in the baton can still be known by its name."""

    def __init__(self, why: str, state: State) -> None:
        super().__init__(why, "STREAM_EXPIRED")
        self.state = state


class Batons:
    """Makes and reads batons. Times are in epoch seconds."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._keys: dict[str, bytes] = {}

    def prepare(self, database: str) -> None:
        """Have the key: without one no baton can be written, and that is known before a commit."""
        if database not in self._keys:
            self._keys[database] = self._files.key_of(database)

    def write(self, state: State, now_s: float) -> str:
        """The baton of a state."""
        content = zlib.compress(state.to_bytes(), _LEVEL)
        log = state.log
        if log is not None and (log.shelved or (log.entries and len(content) > INLINE_BYTES_MAX)):
            log.shelved = self._write_log(log)
            content = zlib.compress(state.to_bytes(), _LEVEL)
        if state.shelved_texts:
            self._files.touch(state.shelved_texts)
        elif len(content) > INLINE_BYTES_MAX:
            state.shelved_texts = self._files.put(TEXTS, _packed(state.texts))
            content = zlib.compress(state.to_bytes(), _LEVEL)
        signed = int(now_s).to_bytes(_TIME_BYTES, "big") + FORMAT + content
        signature = self._sign(signed, state.database)
        return base64.urlsafe_b64encode(signature + signed).decode().rstrip("=")

    def read(self, baton: str, now_s: float, *, database: str, identity: str) -> State:
        """The state in a baton; RequestRefused if it is not one of ours, or has expired."""
        signed = self._verified(baton, database)
        age_s = now_s - int.from_bytes(signed[:_TIME_BYTES], "big")
        content = signed[_TIME_BYTES:]
        if content[:1] != FORMAT:
            raise _of_another_version()
        state = State.from_bytes(zlib.decompress(content[1:]))
        if state.database != database or state.identity != identity:
            raise RequestRefused(
                "the baton is of another database or another token: begin a new stream", "BAD_BATON"
            )
        if state.log is not None and age_s > IDLE_S:
            raise _idle(state)
        self._fetch(state)
        return state

    def _write_log(self, log: Log) -> LogFile:
        """Put what is new behind what lies there, or all of it into a file of its own."""
        count = len(log.entries)
        if (old := log.shelved) is not None:
            new = _packed(log.entries[old.count :]) if count > old.count else b""
            if self._files.append(old.name, old.size_bytes, new):
                return LogFile(old.name, old.size_bytes + len(new), count)
        content = _packed(log.entries)
        return LogFile(self._files.put(LOG, content), len(content), count)

    def _fetch(self, state: State) -> None:
        """Add what is in files to the state."""
        if state.log is not None and (shelved := state.log.shelved) is not None:
            content = self._files.get(shelved.name, shelved.size_bytes)
            if content is None:
                raise _idle(state)
            state.log.entries = [Entry(**one) for part in _parts(content) for one in part]
        if state.shelved_texts:
            content = self._files.get(state.shelved_texts)
            if content is None:
                raise StreamExpired(
                    "the texts of the stream were not used for more than a day and are cleared:"
                    " open another stream and store them again",
                    state,
                )
            for texts in _parts(content):
                state.texts = {int(number): text for number, text in texts.items()}

    def _verified(self, baton: str, database: str) -> bytes:
        try:
            content = base64.b64decode(
                baton + "=" * (-len(baton) % 4), altchars=b"-_", validate=True
            )
        except (binascii.Error, ValueError):
            content = b""
        signature, signed = content[:_SIGNATURE_BYTES], content[_SIGNATURE_BYTES:]
        canonical = base64.urlsafe_b64encode(content).decode().rstrip("=")
        if baton != canonical or not hmac.compare_digest(signature, self._sign(signed, database)):
            raise self._refusal(signature, signed)
        return signed

    def _refusal(self, signature: bytes, signed: bytes) -> RequestRefused:
        """Return the refusal of a baton. Versions before had one key for all databases."""
        if hmac.compare_digest(signature, _signature(self._files.key(), signed)):
            return _of_another_version()
        return RequestRefused(
            "the baton is not one of this database, or was changed: begin a new stream", "BAD_BATON"
        )

    def _sign(self, content: bytes, database: str) -> bytes:
        self.prepare(database)
        return _signature(self._keys[database], content)


def _signature(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, hashlib.sha256)[:_SIGNATURE_BYTES]


def _of_another_version() -> RequestRefused:
    return RequestRefused(
        "the baton is of another version of the service, and its transaction is rolled back: begin"
        " again",
        "STREAM_EXPIRED",
    )


def _packed(content: Any) -> bytes:
    """A part of a file: its length, then its content."""
    packed = zlib.compress(to_json(content), _LEVEL)
    return len(packed).to_bytes(_LENGTH_BYTES, "big") + packed


def _parts(content: bytes) -> list[Any]:
    """Return the contents of the parts of a file, in order."""
    parts = []
    start = 0
    while start < len(content):
        begin = start + _LENGTH_BYTES
        start = begin + int.from_bytes(content[start:begin], "big")
        parts.append(from_json(zlib.decompress(content[begin:start])))
    return parts


def _idle(state: State) -> StreamExpired:
    return StreamExpired(
        f"the stream was idle for more than {IDLE_S} s with a transaction open; it is rolled back",
        state,
    )
