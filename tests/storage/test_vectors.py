"""Tables of vectors: recall against brute force, on files and on logs; nothing loads by SQL."""

import base64
import math
import random
import re
import struct
from collections.abc import Callable
from heapq import nsmallest
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import apsw
import pytest

from handler.beside import engine_of
from handler.service import service
from handler.settings import Settings, SettingsError
from storage import vectors
from tests.conftest import Ask, forget
from tests.instance import Instance

PAGE = (Path(__file__).parents[2] / "docs/vectors.md").read_text()
DIMENSIONS, VECTORS, QUERIES, WANTED = 32, 200, 5, 10

Vector = tuple[float, ...]


@pytest.fixture(params=["file", "log"])
def settings(
    request: pytest.FixtureRequest, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of a service with vectors, on each engine."""
    found = {"SQLATCH_VECTORS": "true", "SQLATCH_LEASES": f"sqlite:{directory / 'leases'}"}
    if request.param == "file":
        found["SQLATCH_DATABASES"] = str(directory)
    else:
        monkeypatch.delenv("SQLATCH_DATABASES", raising=False)
        found["SQLATCH_LOG"] = f"directory:{directory}"
    return found


@pytest.fixture
def asked(
    ask: Ask, settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Ask a service with vectors, in this process."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SQLATCH_COPIES", str(tmp_path))
    forget(service)
    yield ask
    forget(service)
    vectors.choose(wanted=False)


def made(seed: int, count: int) -> list[Vector]:
    """Vectors as they are stored: of 32-bit floats."""
    chance = random.Random(seed)
    return [
        struct.unpack(f"{DIMENSIONS}f", blob(chance.gauss(0, 1) for _ in range(DIMENSIONS)))
        for _ in range(count)
    ]


def blob(vector: Any) -> bytes:
    return struct.pack(f"{DIMENSIONS}f", *vector)


def sent(vector: Vector) -> dict[str, str]:
    return {"base64": base64.b64encode(blob(vector)).decode()}


def brute_force(kept: list[Vector], query: Vector) -> list[int]:
    return nsmallest(WANTED, range(len(kept)), key=lambda number: math.dist(kept[number], query))


def recall(search: Callable[[Vector], list[int]], kept: list[Vector]) -> float:
    """The share of the true neighbours that a search finds."""
    found = [len(set(search(query)) & set(brute_force(kept, query))) for query in made(2, QUERIES)]
    return sum(found) / (QUERIES * WANTED)


def test_a_search_finds_what_brute_force_finds(asked: Ask) -> None:
    kept = made(1, VECTORS)
    asked(query=f"CREATE VIRTUAL TABLE v USING vec0(e FLOAT[{DIMENSIONS}], b BIT[{DIMENSIONS}])")
    asked(
        query="INSERT INTO v (rowid, e, b) VALUES (?1, ?2, vec_quantize_binary(?2))",
        parameter_sets=[[number, sent(vector)] for number, vector in enumerate(kept)],
    )

    def exact(query: Vector) -> list[int]:
        sql = "SELECT rowid FROM v WHERE e MATCH ? AND k = ? ORDER BY distance"
        return [row[0] for row in asked(query=sql, parameters=[sent(query), WANTED])["rows"]]

    def by_bits(query: Vector) -> list[int]:
        """The nearest by one bit for each dimension, eight times as many, compared once more."""
        sql = (
            "SELECT rowid FROM (SELECT rowid, e FROM v WHERE b MATCH vec_quantize_binary(?1)"
            " AND k = 8 * ?2) ORDER BY vec_distance_l2(e, ?1) LIMIT ?2"
        )
        return [row[0] for row in asked(query=sql, parameters=[sent(query), WANTED])["rows"]]

    assert recall(exact, kept) == 1.0
    assert 0.6 < recall(by_bits, kept) < 1.0


def test_instances_see_each_other_s_vectors(settings: dict[str, str], tmp_path: Path) -> None:
    copies = [tmp_path / "copies-a", tmp_path / "copies-b"]
    for directory in copies:
        directory.mkdir()
    environments = [{**settings, "SQLATCH_COPIES": str(directory)} for directory in copies]
    with Instance(environments[0]) as writes, Instance(environments[1]) as reads:
        search = {
            "query": "SELECT rowid FROM v WHERE e MATCH '[1, 0]' AND k = 2 ORDER BY distance",
            "read_only": True,
        }
        writes({"query": "CREATE VIRTUAL TABLE v USING vec0(e FLOAT[2])"})
        writes({"query": "INSERT INTO v (rowid, e) VALUES (1, '[0, 1]'), (2, '[1, 0]')"})
        first = reads(search)
        writes({"query": "DELETE FROM v WHERE rowid = 2"})
        writes({"query": "INSERT INTO v (rowid, e) VALUES (3, '[1, 0.1]')"})
        second = reads(search)
        whole = reads({"query": "PRAGMA integrity_check", "read_only": True})

    assert (first["rows"], second["rows"]) == ([[2], [1]], [[3], [1]])
    assert whole["rows"] == [["ok"]]


def test_sql_loads_no_extension(asked: Ask, refused: Ask) -> None:
    asked(query="CREATE TABLE t (n)")
    path = str(vectors.extension())
    refusals = [
        refused(query="SELECT load_extension(?)", parameters=[path]),
        refused(query=f"SELECT load_extension('{path}', 'sqlite3_vec_init')", read_only=True),
        refused(query="CREATE VIRTUAL TABLE v USING zipfile('x')"),
    ]

    assert [one["code"] for one in refusals] == ["FORBIDDEN_STATEMENT"] * 3
    assert asked(query="SELECT vec_version()")["rows"] == [["v0.1.9"]]


def test_a_connection_is_left_unable_to_load(asked: Ask) -> None:
    connection = apsw.Connection(":memory:")
    vectors.choose(wanted=True)
    vectors.install(connection)

    assert connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, -1) == 0
    with pytest.raises(apsw.Error, match="not authorized"):
        connection.load_extension(str(vectors.extension()))
    connection.close()


def test_without_the_setting_there_are_no_vectors(
    asked: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(query="CREATE TABLE t (n)")
    asked(query="CREATE VIRTUAL TABLE v USING vec0(e FLOAT[2])")
    monkeypatch.setenv("SQLATCH_VECTORS", "false")
    forget(service)

    assert refused(query="SELECT * FROM v")["message"].startswith("no such module: vec0")
    assert asked(query="INSERT INTO t VALUES (1)")["rows_affected"] == 1


def test_a_build_without_the_extension_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "PACKAGE", "not_in_this_build")

    with pytest.raises(SettingsError, match=r"SQLATCH_VECTORS: .*make build VECTORS=1"):
        engine_of(Settings(databases=tmp_path, vectors=True))


def test_it_adds_less_to_an_artifact_than_the_page_says() -> None:
    found = find_spec(vectors.PACKAGE)
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    added = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    size_mb = sum(path.stat().st_size for path in added) / 2**20
    (said,) = re.findall(r"(\d\.\d) MB more", PAGE)

    assert 0.1 < size_mb <= float(said)


def test_the_example_of_the_page_runs(asked: Ask) -> None:
    (example,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    *writes, search = example.strip().removesuffix(";").split(";\n")

    for sql in writes:
        asked(query=sql)

    assert asked(query=search)["rows"] == [[1], [2]]
