"""Sessions, and positions in general, of databases that are logs; over both transports."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handler.service import service
from sqlatch.client import Client
from sqlatch.errors import BadEvent, Timeout
from sqlatch.failures import CallFailed
from sqlatch.session import Session
from tests.conftest import forget
from tests.sqlatch.conftest import connect

pytestmark = pytest.mark.usefixtures("kind")

PAGE = Path(__file__).parents[2] / "docs/client.md"
FUTURE = "f" * 16


@pytest.fixture
def composed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The service in this process, its databases in logs."""
    copies = directory.with_name("copies")
    copies.mkdir()
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{directory}")
    monkeypatch.setenv("SQLATCH_COPIES", str(copies))
    service.cache_clear()
    yield directory
    forget(service)


@pytest.fixture
def sent(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The position that each request was sent with."""
    positions: list[Any] = []
    invoke = client.transport.invoke

    def noting(event: Any, *, timeout_s: float) -> Any:
        positions.append(event.get("at_least"))
        return invoke(event, timeout_s=timeout_s)

    monkeypatch.setattr(client.transport, "invoke", noting)
    return positions


def test_a_result_has_the_position_of_what_it_saw_or_made(client: Client) -> None:
    made = client.execute("CREATE TABLE t (n)")
    (inserted,) = client.batch(["INSERT INTO t VALUES (1)"])

    assert made.position is not None
    assert inserted.position is not None
    assert made.position < inserted.position
    read = client.query("SELECT n FROM t", at_least=inserted.position, max_age_ms=60_000)
    assert (read.rows, read.position) == ([(1,)], inserted.position)


def test_a_session_sends_the_newest_position_it_knows(client: Client, sent: list[Any]) -> None:
    with client.session() as session:
        session.execute("CREATE TABLE t (n)")
        first = session.position
        session.load("INSERT INTO t VALUES (?)", [[1], [2]])
        session.batch(["SELECT n FROM t"], read_only=True, max_age_ms=60_000)
        session.query("SELECT n FROM t", at_least=first)
        last = session.position
    client.query("SELECT n FROM t")

    assert first is not None
    assert last is not None
    assert sent == [None, first, last, last, None]
    assert first < last


def test_a_session_sees_what_it_wrote_at_another_instance(client: Client) -> None:
    """The next instance was just told of the state before, and may answer with one that old."""
    client.execute("CREATE TABLE t (n)")
    client.query("SELECT n FROM t")
    here = service()
    with client.session() as session:
        service.cache_clear()
        session.execute("INSERT INTO t VALUES (1)")
        forget(service)
        with pytest.MonkeyPatch.context() as patch:
            for module in ("handler.query", "handler.service"):
                patch.setattr(f"{module}.service", lambda: here)

            assert client.query("SELECT n FROM t", max_age_ms=60_000).rows == []
            assert session.query("SELECT n FROM t", max_age_ms=60_000).rows == [(1,)]
    here.close()


def test_a_session_goes_on_from_the_position_of_another(client: Client, sent: list[Any]) -> None:
    with client.session() as session:
        session.execute("CREATE TABLE t (n)")
    with client.session(at_least=session.position) as another:
        another.query("SELECT n FROM t")

    assert sent == [None, session.position]
    assert client.query("SELECT n FROM t").rows == [], "the connections are open still"


def test_threads_share_a_session(client: Client) -> None:
    client.execute("CREATE TABLE t (n)")

    def write(session: Session) -> Any:
        return session.execute("INSERT INTO t VALUES (1)").position

    with client.session() as session, ThreadPoolExecutor(4) as pool:
        positions = list(pool.map(write, [session] * 12))

    assert session.position == max(positions)
    assert len(set(positions)) == 12


def test_a_position_that_is_none_or_is_not_reached_is_told(client: Client) -> None:
    position = client.execute("CREATE TABLE t (n)").position
    attempts = replace(client.attempts, attempt_s=2.0)
    soon = Client(client.transport, client.database, attempts=attempts)

    with pytest.raises(Timeout) as refusal:
        soon.query("SELECT n FROM t", at_least=FUTURE)
    assert (refusal.value.at_least, refusal.value.position) == (FUTURE, position)
    with pytest.raises(BadEvent, match="16 digits"):
        client.query("SELECT n FROM t", at_least="1")


def test_a_failure_leaves_the_position_as_it_was(client: Client) -> None:
    with client.session(at_least="0" * 16) as session, pytest.raises((BadEvent, CallFailed)):
        session.ask({"nothing": 1})

    assert session.position == "0" * 16


def test_the_examples_of_the_page_run_on_logs(http_url: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    code = "\n".join(block for block in blocks if "lambda://" not in block)
    names: dict[str, Any] = {}

    exec(code.replace("http://127.0.0.1:8000/main/", http_url), names)

    assert isinstance(names["seen"], str)
    names["database"].close()
    with connect(http_url) as client:
        assert client.query("SELECT count(*) FROM seats").value() == 196
