"""`sqlatch export --link`: the file that the service writes is fetched whole, or says why not."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler.service import service
from sqlatch.client import Client
from sqlatch.command import linked
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.exporting import Journal
from tests.command.conftest import Sqlatch
from tests.command.test_export import SQL, rows
from tests.conftest import forget
from tests.results import bucket_at
from tests.sqlatch import socket_server
from tests.sqlatch.conftest import composed, serving

__all__ = ["composed", "rows"]

CONTENT = bytes(range(200))
WHAT = ["http://127.0.0.1:9/main", "SELECT 1", "csv", None, "link"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory for files."""
    path = tmp_path / "files"
    path.mkdir()
    return path


@pytest.fixture
def served(composed: Path, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service in this process that makes links."""
    bucket_at(moto_url, monkeypatch)
    forget(service)
    with serving() as url:
        yield url


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
@pytest.mark.parametrize("what", ["t", SQL])
def test_the_file_is_the_one_that_an_export_in_pages_writes(
    what: str, name: str, sqlatch: Sqlatch, here: Path
) -> None:
    ours, theirs, packed = (here / one for one in (name, f"other-{name}", f"{name}.gz"))

    ended = sqlatch("export", what, "--link", "-o", str(ours))
    assert sqlatch("export", what, "-o", str(theirs)).code == 0
    assert sqlatch("export", what, "--link", "-o", str(packed)).code == 0

    assert (ended.code, ended.out) == (0, "")
    assert f"1,500 rows in {ours}" in ended.err
    if name.endswith(".csv"):
        assert ours.read_bytes() == theirs.read_bytes()
    else:
        lines = (path.read_text().split("\n")[:-1] for path in (ours, theirs))
        assert [json.loads(line) for line in next(lines)] == [
            json.loads(line) for line in next(lines)
        ]
    assert gzip.decompress(packed.read_bytes()) == ours.read_bytes()
    assert set(here.iterdir()) == {ours, theirs, packed}


@pytest.mark.usefixtures("rows")
def test_parameters_go_with_the_query_and_a_view_is_read_whole(
    sqlatch: Sqlatch, client: Client, here: Path
) -> None:
    client.execute("CREATE VIEW few AS SELECT id FROM t WHERE id < 2 ORDER BY id")
    file = here / "few.csv"

    assert sqlatch("export", "few", "--link", "-o", str(file)).code == 0
    assert file.read_text() == "id\n0\n1\n"
    query = ["SELECT id FROM t WHERE id = :id", "-p", '{"id": 7}']
    assert sqlatch("export", *query, "--link", "-o", str(file)).code == 0
    assert file.read_text() == "id\n7\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-o", "-"], [], ["-o", "t.parquet"], ["-o", "t.csv", "--key", "id"],
        ["-o", "t.csv", "--null", "-"], ["-o", "t.txt"], ["-o", "t.csv", "--format", "parquet"],
    ],
)  # fmt: skip
def test_what_a_link_cannot_do_is_refused(arguments: list[str], sqlatch: Sqlatch) -> None:
    assert sqlatch("export", "t", "--link", *arguments).code == Exit.USAGE


def test_what_only_a_link_can_do_is_said(sqlatch: Sqlatch, client: Client) -> None:
    client.execute("CREATE TABLE t (n)")

    ended = sqlatch("export", "t", "-o", "t", "--format", "csv.gz")

    assert (ended.code, "--link" in ended.err) == (Exit.USAGE, True)


def test_a_service_without_a_bucket_names_its_setting(
    sqlatch: Sqlatch, client: Client, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.execute("CREATE TABLE t (n)")
    monkeypatch.delenv("SQLATCH_RESULTS")
    forget(service)

    ended = sqlatch("export", "t", "--link", "-o", str(here / "t.csv"))

    assert (ended.code, "SQLATCH_RESULTS" in ended.err) == (Exit.REFUSED, True)
    assert list(here.iterdir()) == []


def answer(first: int, body: bytes, *, status: int = 206) -> bytes:
    """The rest of CONTENT from a byte on, of which the body is cut off or whole."""
    return (
        f"HTTP/1.1 {status} -\r\ncontent-length: {len(CONTENT) - first}\r\n"
        f"content-range: bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}\r\n\r\n"
    ).encode() + body


def fetched(client: Any, here: Path, port: int, *, have: int = 0) -> bytes:
    """Go on with an export whose link leads to a server of this machine."""
    file = here / "t.csv"
    mark = {"url": f"http://127.0.0.1:{port}/t", "bytes": len(CONTENT), "ends_at": "then"}
    journal = Journal(here / "t.csv.sqlatch-export", WHAT, size_bytes=have, rows=7, mark=mark)
    (here / "t.csv.part").write_bytes(CONTENT[:have] + b"not known to be there"[: have and 9])
    rows = linked.write_linked(client, "SELECT 1", None, form="csv", file=file, journal=journal)
    assert (rows, list(here.iterdir())) == (7, [file])
    return file.read_bytes()


def test_a_connection_that_ends_goes_on_where_it_ended(here: Path) -> None:
    answers = [answer(0, CONTENT[:70]), answer(70, b""), answer(70, CONTENT[70:])]
    with socket_server.running(*answers) as server:
        assert fetched(None, here, server.port) == CONTENT

    assert [b"range: bytes=70-" in one.lower() for one in server.requests] == [False, True, True]


def test_an_export_that_was_killed_goes_on_behind_what_is_known_to_be_there(
    here: Path,
) -> None:
    with socket_server.running(answer(50, CONTENT[50:])) as server:
        assert fetched(None, here, server.port, have=50) == CONTENT


@pytest.mark.parametrize(
    ("content", "exit_code", "said"),
    [
        (answer(0, b"", status=403), Exit.TRY_AGAIN, "the link has ended"),
        (answer(0, b"", status=404), Exit.TRY_AGAIN, "the link has ended"),
        (answer(0, CONTENT, status=200), Exit.BAD_DATA, "leads to another file"),
        (answer(1, CONTENT[1:]), Exit.BAD_DATA, "leads to another file"),
        (answer(0, b"", status=503), Exit.TRY_AGAIN, "--resume goes on"),
        (answer(0, b""), Exit.TRY_AGAIN, "--resume goes on"),
    ],
)
def test_a_file_that_cannot_be_fetched_says_what_to_do(
    content: bytes, exit_code: Exit, said: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linked, "WAIT_S", 0.0)
    with socket_server.running(content) as server, pytest.raises(Failure, match=said) as failure:
        fetched(None, here, server.port)

    assert failure.value.exit_code == exit_code
    kept = here / "t.csv.sqlatch-export"
    if kept.exists():
        assert kept.stat().st_mode & 0o077 == 0


def test_a_killed_export_asks_for_no_second_link(
    sqlatch: Sqlatch, client: Client, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.execute("CREATE TABLE t (n)")
    client.load("INSERT INTO t VALUES (?)", ([n] for n in range(9)))
    file = here / "t.csv"
    arguments = ["export", "t", "--link", "-o", str(file)]
    with monkeypatch.context() as patch:
        patch.setattr(linked, "_fetch", killed)
        with pytest.raises(Killed):
            sqlatch(*arguments)
    client.execute("DELETE FROM t")

    assert sqlatch(*arguments, "--resume").code == 0
    assert file.read_text().count("\n") == 10


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def killed(*_given: Any) -> None:
    raise Killed
