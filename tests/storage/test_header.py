"""The header of a database file as a name of its state."""

import time
from contextlib import closing
from pathlib import Path

import apsw

from storage.connection import Session
from storage.header import DIGEST_DIGITS, header_digest


def digest_of(path: Path) -> str:
    with closing(opened(path)) as session, session.transaction("BEGIN"):
        session.run("SELECT 1 FROM sqlite_schema")
        return header_digest(session)


def opened(path: Path) -> Session:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    return Session("main", path, flags=flags, now=time.time, deadline_s=time.time() + 60)


def test_each_commit_gives_the_header_another_digest_and_a_read_does_not(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    digests = []
    for sql in ("CREATE TABLE t (n)", "INSERT INTO t VALUES (1)", "UPDATE t SET n = 2"):
        with closing(opened(path)) as session:
            session.run(sql)
        digests += [digest_of(path), digest_of(path)]

    assert digests[::2] == digests[1::2]
    assert len(set(digests)) == 3, digests
    assert {len(one) for one in digests} == {DIGEST_DIGITS}
