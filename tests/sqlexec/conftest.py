"""Databases in a directory, written under a grant that never ends; and a connection in memory."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel.values import Value
from sqlexec.database import Database
from sqlexec.databases import Databases
from sqlexec.statement import Encoder, IdempotencyKey, Job, Limits, Statement
from sqlexec.transaction import Names, Ran, Transaction
from storage.inplace.engine import InPlace
from tests.grants import granted
from tests.storage.conftest import session as session

ENCODER = Encoder(rows=lambda _columns, rows: (rows, 10 * len(rows)), reply=repr)
LIMITS = Limits(rows_max=100, bytes_max=10_000, timeout_s=600)


@dataclass
class Now:
    """A clock that the test sets; it stands still otherwise."""

    now_s: float

    def __call__(self) -> float:
        return self.now_s


def job(*texts: str, limits: Limits = LIMITS, once: str = "", group: str | None = None) -> Job:
    """Statements; with a key, to be run once."""
    key = IdempotencyKey(once, repr(texts).encode()) if once else None
    return Job(tuple(map(Statement, texts)), limits, ENCODER, key, group)


class NoArguments:
    """The arguments of a statement without parameters."""

    in_order: Sequence[Value] | None = ()

    def bound(self, names: Names) -> Statement:
        raise AssertionError(f"the statement has parameters: {names}")


def run_in(transaction: Transaction, sql: str, *, at_ms: int = 0, seed: bytes = b"s") -> Ran:
    """Run a statement without parameters in a transaction."""
    return transaction.run(sql, NoArguments(), LIMITS, ENCODER.rows, at_ms=at_ms, seed=seed)


@pytest.fixture
def now() -> Now:
    return Now(time.time())


@pytest.fixture
def databases(tmp_path: Path, now: Now) -> Iterator[Databases]:
    with closing(Databases(InPlace(tmp_path), now=now, may_create=True)) as databases:
        yield databases


@pytest.fixture
def database(databases: Databases) -> Database:
    """A database with a table t of one column n."""
    database = databases.get("main")
    database.write(job("CREATE TABLE t (n)"), granted())
    return database


def rows(database: Database, sql: str = "SELECT n FROM t") -> list[Any]:
    return database.read(job(sql), time.time() + 600).results[0].rows
