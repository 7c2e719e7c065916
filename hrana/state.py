"""The state of a stream between two requests: texts, and the log of an open transaction."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import token_hex
from typing import Any, Self

from pydantic_core import from_json, to_json

from hrana.protocol import NamedArg, Stmt

ID_BYTES = 16
DIGEST_BYTES = 12
STATEMENTS_MAX = 1_000
LOG_BYTES_MAX = 4 * 1024 * 1024
"""Of a transaction over several requests: each of them runs all that is in the log."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A statement that was run, when, and the digest of what came of it.

    Of a `page` of its rows, its name, and how many rows it had.
    """

    sql: str
    args: list[Any]
    named_args: list[list[Any]]
    arg_sets: list[list[Any]] | None
    at_ms: int
    digest: str
    page: str | None = None
    rows: int = 0

    @classmethod
    def of(
        cls,
        sql: str,
        stmt: Stmt,
        *,
        at_ms: int,
        digest: str,
        page: str | None = None,
        rows: int = 0,
    ) -> Self:
        named = [[arg.name, arg.value] for arg in stmt.named_args or ()]
        return cls(sql, stmt.args or [], named, stmt.arg_sets, at_ms, digest, page, rows)

    @property
    def stmt(self) -> Stmt:
        named = [NamedArg(name=name, value=value) for name, value in self.named_args]
        return Stmt(
            sql=self.sql,
            args=self.args,
            named_args=named,
            arg_sets=self.arg_sets,
            page=self.page,
        )


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log in a file: its first `count` entries are its first so many bytes."""

    name: str
    size_bytes: int
    count: int


@dataclass(slots=True)
class Log:
    """A transaction as far as it has come. With `broken` set it refuses all but its end.

    `state` is that of the database which one that only reads has seen last.
    """

    id: str
    seed: str = field(default_factory=partial(token_hex, ID_BYTES))
    read_only: bool = False
    wrote: bool = False
    rowid: int = 0
    broken: str = ""
    broken_code: str = "SQLITE_BUSY"
    by_savepoint: bool = False
    savepoints: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    size_bytes: int = 0
    shelved: LogFile | None = None
    state: str = ""

    def seed_of(self, index: int) -> bytes:
        return f"{self.seed}:{index}".encode()

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.size_bytes += len(to_json(entry))

    def break_off(self, why: str, code: str) -> None:
        """Keep nothing of the transaction but the reason for which it can only be rolled back."""
        self.broken, self.broken_code = why, code
        self.entries.clear()
        self.savepoints.clear()
        self.shelved = None

    @property
    def is_past_limit(self) -> bool:
        """Return whether the log was full already when its last statement came."""
        if not self.entries:
            return False
        before_bytes = self.size_bytes - len(to_json(self.entries[-1]))
        return len(self.entries) > STATEMENTS_MAX or before_bytes >= LOG_BYTES_MAX

    @property
    def is_full(self) -> bool:
        return len(self.entries) >= STATEMENTS_MAX or self.size_bytes >= LOG_BYTES_MAX


@dataclass(slots=True)
class State:
    """A stream: `turn` counts its requests, so that stream and turn together name one.

    `shelved_texts` names the file that holds the `texts`, if one does.
    """

    database: str
    identity: str
    id: str = field(default_factory=partial(token_hex, ID_BYTES))
    turn: int = 0
    texts: dict[int, str] = field(default_factory=dict)
    foreign_keys: bool = True
    rowid: int = 0
    log: Log | None = None
    shelved_texts: str = ""

    def store(self, sql_id: int, sql: str) -> None:
        """Remember a text under a number."""
        self.texts[sql_id] = sql
        self.shelved_texts = ""

    def forget(self, sql_id: int) -> None:
        """Forget the text under a number, if there is one."""
        if self.texts.pop(sql_id, None) is not None:
            self.shelved_texts = ""

    def to_bytes(self) -> bytes:
        """The state as JSON, without what is in files."""
        travels = self
        if self.shelved_texts:
            travels = replace(travels, texts={})
        if self.log is not None and self.log.shelved is not None:
            travels = replace(travels, log=replace(self.log, entries=[]))
        return to_json(travels)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        fields = from_json(content)
        log = fields.pop("log")
        state = cls(**fields)
        state.texts = {int(number): text for number, text in state.texts.items()}
        if log is not None:
            entries = [Entry(**entry) for entry in log.pop("entries")]
            shelved = log.pop("shelved")
            state.log = Log(**log, entries=entries, shelved=shelved and LogFile(**shelved))
        return state


def digest_of(outcome: Any) -> str:
    """Return a digest of an outcome. 96 bits: a client would only deceive itself by a collision."""
    return hashlib.sha256(to_json(outcome)).hexdigest()[: 2 * DIGEST_BYTES]
