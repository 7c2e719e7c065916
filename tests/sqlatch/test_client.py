"""The client over both transports, to the real handler: what goes in comes out, typed errors."""

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sqlatch import errors
from sqlatch.client import Client
from sqlatch.errors import SqlatchError
from sqlatch.failures import RequestTooLarge, UnexpectedAnswer
from sqlatch.statement import Statement
from tests.sqlatch.conftest import connect

ALSO_OVER_A_REPLICA = True
pytestmark = pytest.mark.usefixtures("kind")

VALUES = [
    None,
    2**63 - 1,
    -(2**63),
    1.5,
    -0.0,
    'é😀"\\\n\0',
    b"\0\xff",
    "",
    b"",
    math.inf,
    -math.inf,
]


def test_every_value_comes_back_as_it_went(client: Client) -> None:
    client.execute("CREATE TABLE t (n)")
    marks = ", ".join("?" for _value in VALUES)

    result = client.query(f"SELECT {marks}", VALUES)

    assert repr(result.rows) == repr([tuple(VALUES)]), "types and the sign of zero too"


@pytest.mark.in_files
def test_a_url_may_lead_to_the_path_of_one_database(http_url: str, client: Client) -> None:
    origin = http_url.removesuffix("/main")
    client.execute("CREATE TABLE t (n)")

    with connect(f"{origin}/main/main/") as of_one:
        of_one.execute("INSERT INTO t VALUES (1)")
        assert of_one.query("SELECT * FROM t").rows == [(1,)]
    with (
        connect(f"{origin}/main/other/") as of_another,
        pytest.raises(errors.BadEvent, match="the path is for database 'main'"),
    ):
        of_another.query("SELECT 1")


@pytest.mark.in_files
def test_of_databases_in_files_a_session_is_a_client_like_any_other(client: Client) -> None:
    with client.session() as session:
        session.execute("CREATE TABLE t (n)")
        result = session.query("SELECT n FROM t", max_age_ms=60_000)

    assert (result.rows, result.position, session.position) == ([], None, None)
    with pytest.raises(errors.BadEvent, match="here databases are files"):
        client.query("SELECT n FROM t", at_least="0" * 16)


def test_a_large_result_arrives_whole(client: Client) -> None:
    client.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text)")
    rows = [(number, f"{number * 7919 % 10007:x}" * 20) for number in range(20_000)]
    client.load("INSERT INTO t VALUES (?, ?)", rows)

    assert client.query("SELECT * FROM t ORDER BY n").rows == rows


def test_a_write_tells_what_it_did(client: Client) -> None:
    client.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")

    inserted = client.execute("INSERT INTO t (name) VALUES (:name) RETURNING id", {"name": "a"})

    assert inserted.columns == ("id",)
    assert inserted.rows == [(1,)]
    assert (inserted.rows_affected, inserted.last_insert_rowid) == (1, 1)
    assert inserted.meta["wrote"]
    assert client.query("SELECT * FROM t").dicts() == [{"id": 1, "name": "a"}]


def test_a_batch_is_one_transaction(client: Client) -> None:
    client.batch(["CREATE TABLE t (n UNIQUE)", ("INSERT INTO t VALUES (?)", [1])])

    results = client.batch([
        Statement("INSERT INTO t VALUES (?)", parameter_sets=[[2], [3]]), "SELECT sum(n) FROM t"
    ])  # fmt: skip
    with pytest.raises(errors.Constraint) as refused:
        client.batch([("INSERT INTO t VALUES (?)", [4]), ("INSERT INTO t VALUES (?)", [1])])

    assert [result.rows_affected for result in results] == [2, 0]
    assert results[1].value() == 6
    assert refused.value.facts["statement"] == 1
    assert client.query("SELECT count(*) FROM t").value() == 3


def test_columns_of_one_name_are_told_apart_in_dicts(client: Client) -> None:
    client.execute("CREATE TABLE t (n)")
    sql = "SELECT 1 AS id, 2 AS id, 3 AS name, 4 AS id"

    result = client.query(sql)
    as_objects = client.ask({"query": sql, "rows_as": "objects", "read_only": True})

    assert result.dicts() == [{"id": 1, "id:1": 2, "name": 3, "id:2": 4}] == as_objects["rows"]


def test_rows_max_says_that_there_are_more(client: Client) -> None:
    client.execute("CREATE TABLE t (n)")

    result = client.query("SELECT 1 UNION ALL SELECT 2", rows_max=1)

    assert (result.rows, result.truncated) == ([(1,)], True)


REFUSED: list[tuple[str, Any, dict[str, Any]]] = [
    ("SELECT * FROM nowhere", errors.StatementError, {"sqlite_code": "SQLITE_ERROR"}),
    ("INSERT INTO t VALUES (1)", errors.Constraint, {"sqlite_code": "SQLITE_CONSTRAINT_UNIQUE"}),
    ("ATTACH 'x' AS y", errors.ForbiddenStatement, {}),
    ("", errors.BadEvent, {"field": "query"}),
]


@pytest.mark.parametrize(("sql", "error", "facts"), REFUSED)
def test_a_refusal_is_its_own_class_with_code_and_facts(
    client: Client, sql: str, error: type[SqlatchError], facts: dict[str, Any]
) -> None:
    client.batch(["CREATE TABLE t (n UNIQUE)", "INSERT INTO t VALUES (1)"])

    with pytest.raises(SqlatchError) as refused:
        client.execute(sql)

    assert type(refused.value) is error
    assert refused.value.code == error.code
    assert refused.value.retryable is False
    assert facts.items() <= refused.value.facts.items()
    assert "{" not in refused.value.message


def test_a_query_does_not_write(client: Client) -> None:
    client.execute("CREATE TABLE t (n)")

    with pytest.raises(errors.ReadOnly):
        client.query("INSERT INTO t VALUES (1)")
    with pytest.raises(errors.ReadOnly):
        client.batch(["INSERT INTO t VALUES (1)"], read_only=True)

    assert client.query("SELECT count(*) FROM t").value() == 0


def test_a_database_that_is_not_there_is_told(url: str) -> None:
    with connect(url.replace("/main", "/none")) as client, pytest.raises(errors.DatabaseNotFound):
        client.query("SELECT 1 FROM t")


@pytest.mark.parametrize(
    "value",
    [math.nan, 2**63, "\ud800", object(), [1], {"base64": ""}],
    ids=["NaN", "past 64 bits", "half a surrogate", "an object", "a list", "JSON of a blob"],
)
def test_a_value_that_cannot_be_sent_is_refused_with_its_place(client: Client, value: Any) -> None:
    with pytest.raises(errors.BadEvent, match=r"\[1\]"):
        client.query("SELECT ?, ?", [1, value])


def test_a_load_is_cut_into_requests_and_loads_every_row(client: Client) -> None:
    client.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text)")
    told: list[int] = []
    rows = ((number, '"' * 1000) for number in range(5000))

    loaded = client.load("INSERT INTO t VALUES (?, ?)", rows, progress=told.append)

    assert (loaded.rows, loaded.rows_affected, loaded.rows_replayed) == (5000, 5000, 0)
    assert loaded.requests > 2
    assert told[-1] == 5000
    assert len(told) == loaded.requests
    assert client.query("SELECT count(*), min(id), max(id), sum(length(text)) FROM t").rows == [
        (5000, 0, 4999, 5_000_000)
    ]


def test_a_row_of_the_greatest_size_passes_and_a_greater_one_is_refused_before_it_is_sent(
    client: Client,
) -> None:
    client.execute("CREATE TABLE t (text)")
    room_bytes = client.transport.request_bytes_max - 4 * 1024

    client.load("INSERT INTO t VALUES (?)", [["x" * room_bytes]])
    with pytest.raises(RequestTooLarge) as refused:
        client.load("INSERT INTO t VALUES (?)", [["a"], ["x" * (room_bytes + 5000)]])

    assert refused.value.facts["row"] == 1
    assert client.query("SELECT length(text) FROM t").rows == [(room_bytes,)]


def test_the_service_is_asked_for_its_health(client: Client) -> None:
    client.execute("CREATE TABLE t (n)")

    health = client.health()

    assert health["status"] == "ok"
    assert [database["name"] for database in health["databases"]] == ["main"]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ([7, "twice"], errors.Constraint),
        ([1], errors.StatementError),
        ([1, math.nan], errors.BadEvent),
        ([1, "x" * 7_000_000], RequestTooLarge),
    ],
)
def test_the_row_that_is_refused_is_named_and_nothing_of_its_request_is_loaded(
    client: Client, bad: list[Any], error: type[SqlatchError]
) -> None:
    client.execute("CREATE TABLE t (n UNIQUE, text)")
    rows: list[list[Any]] = [[number, "x" * 1000] for number in range(5000)]
    rows[4500] = bad

    with pytest.raises(error) as refused:
        client.load("INSERT INTO t VALUES (?, ?)", rows)

    loaded = refused.value.facts["rows_loaded"]
    assert isinstance(loaded, int)
    assert refused.value.facts["row"] == 4500
    assert refused.value.__notes__ == [
        f"row 4500, after {loaded} rows that are loaded (counted from 0)"
    ]
    assert 0 < loaded < 4500
    assert client.query("SELECT count(*), max(n) FROM t").rows == [(loaded, loaded - 1)]


def test_what_a_callers_own_code_raises_in_a_load_says_how_many_rows_are_there(
    client: Client,
) -> None:
    client.execute("CREATE TABLE t (n, text)")

    def rows() -> Iterator[list[Any]]:
        yield from ([number, "x" * 1000] for number in range(3000))
        raise LookupError("the source ended")

    def progress(_rows: int) -> None:
        raise ZeroDivisionError("the screen is gone")

    with pytest.raises(LookupError) as of_rows:
        client.load("INSERT INTO t VALUES (?, ?)", rows())
    ((there,),) = client.query("SELECT count(*) FROM t").rows
    with pytest.raises(ZeroDivisionError) as of_progress:
        client.load("INSERT INTO t VALUES (?, ?)", [[1, "y"]], progress=progress)

    assert isinstance(there, int)
    assert there
    assert of_rows.value.__dict__ == {
        "rows_loaded": there, "__notes__": [f"after {there} rows that are loaded"]
    }  # fmt: skip
    assert of_progress.value.__dict__["rows_loaded"] == 1


FOREIGN: list[dict[str, Any]] = [
    {},
    {"rows_affected": 1},
    {"columns": [], "rows": [], "rows_affected": "1", "last_insert_rowid": None, "meta": {}},
    {"columns": [], "rows": [], "rows_affected": 1, "last_insert_rowid": None, "meta": None},
    {"results": [], "meta": {}},
]


@pytest.mark.parametrize("answer", FOREIGN)
def test_a_foreign_answer_to_a_load_is_named_and_says_how_many_rows_are_there(
    client: Client, answer: dict[str, Any]
) -> None:
    client.execute("CREATE TABLE t (n, text)")
    invoke = client.transport.invoke
    calls: list[object] = []

    def foreign(event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        calls.append(event)
        return invoke(event, timeout_s=timeout_s) if len(calls) == 1 else answer

    rows = ((number, "x" * 1000) for number in range(3000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client.transport, "invoke", foreign)
        with pytest.raises(UnexpectedAnswer) as refused:
            client.load("INSERT INTO t VALUES (?, ?)", rows)

    there = client.query("SELECT count(*) FROM t").value()
    assert refused.value.facts["rows_loaded"] == there
    assert refused.value.facts["outcome"] == "unknown"


@pytest.mark.in_files
def test_a_service_that_is_not_well_says_why(client: Client, composed: Path) -> None:
    client.execute("CREATE TABLE t (n)")
    composed.rename(composed.with_name("away"))

    health = client.health()

    assert health["status"] == "degraded"
    assert not health["directory"]["ok"]


def test_threads_share_a_client(client: Client) -> None:
    client.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")

    def write(number: int) -> int | None:
        return client.execute("INSERT INTO t VALUES (?)", [number]).last_insert_rowid

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(write, range(1, 41))) == list(range(1, 41))
    assert client.query("SELECT count(*) FROM t").value() == 40
