"""A cache that keeps every answer and its ETag, and is never told 304 for one that has changed."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events import http
from events.request import QueryEvent, parse
from events.whole import ManageEvent
from handler import caching
from handler.managing import manage
from handler.record import Record
from handler.service import Service
from handler.settings import Settings
from sqlexec import versions
from storage.inplace.store import Store as FileStore
from storage.log.store import Store as LogStore
from storage.version import Version
from tests.events.test_http import v2
from tests.handler.engines import ENGINES, variables_of

STEPS_MAX = 10
EXAMPLES = 15
ENDS_AT_S = 4e9
INSTANCES = 2

WRITES = (
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET n = n + 1",
    "UPDATE t SET n = n",
    "DELETE FROM t WHERE n > 2",
    "DROP VIEW v; CREATE VIEW v AS SELECT n FROM t ORDER BY n",
    "DROP VIEW v; CREATE VIEW v AS SELECT n + random() FROM t",
    "CREATE INDEX IF NOT EXISTS by_n ON t (n)",
    "PRAGMA user_version = 7",
    "VACUUM",
)
READS = (
    "SELECT n FROM t ORDER BY n",
    "SELECT count(*) FROM t",
    "SELECT * FROM v",
    "SELECT random()",
    "PRAGMA user_version",
    "SELECT name FROM sqlite_schema ORDER BY name",
)
AGES_MS = (None, 1_000, 86_400_000)

instances = st.integers(0, INSTANCES - 1)
Step = tuple[Any, ...]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), instances, st.sampled_from(WRITES)),
        st.tuples(st.just("read"), instances, st.sampled_from(AGES_MS)),
        st.tuples(st.just("read"), instances, st.sampled_from(AGES_MS)),
        st.tuples(st.just("make anew"), instances),
        st.tuples(st.just("save")),
        st.tuples(st.just("restore")),
    ),
    min_size=4,
    max_size=STEPS_MAX,
)


@dataclass
class World:
    """Instances of the service on one place, and a cache that has all of their answers."""

    services: list[Service]
    file: Path | None
    kept: dict[str, Any] = field(default_factory=dict)
    saved: bytes = b""
    hits: int = 0

    def do(self, step: Step) -> None:
        do: dict[str, Callable[..., None]] = {
            "write": self.write, "read": self.read, "make anew": self.make_anew,
            "save": self.save, "restore": self.restore,
        }  # fmt: skip
        name, *arguments = step
        do[name](*arguments)

    def write(self, instance: int, sql: str) -> None:
        statements = [{"query": one} for one in sql.split("; ")]
        self._run(instance, {"query": sql} if sql == "VACUUM" else {"statements": statements})

    def make_anew(self, instance: int) -> None:
        """Delete the database, and make one of the same form."""
        event = parse({"manage": "delete", "database": "main"})
        assert isinstance(event, ManageEvent)
        manage(self.services[instance], event, record(), ends_at_s=ENDS_AT_S)
        self.create(instance)

    def create(self, instance: int = 0) -> None:
        made = (
            "CREATE TABLE t (n)",
            "CREATE VIEW v AS SELECT n FROM t",
            f"INSERT INTO t VALUES ({next(NUMBERS)})",
        )
        self.write(instance, "; ".join(made))

    def save(self) -> None:
        """Keep a copy of the file, which an operator may put back."""
        if self.file is not None:
            self.saved = self.file.read_bytes()

    def restore(self) -> None:
        """Write the copy over the file, at a time that the file system tells from the last one."""
        if self.file is not None and self.saved:
            for service in self.services:
                service.databases.close()
            before_ns = self.file.stat().st_ctime_ns
            while self.file.stat().st_ctime_ns == before_ns:
                self.file.write_bytes(self.saved)

    def read(self, instance: int, max_age_ms: int | None) -> None:
        for sql in READS:
            self._read(instance, sql, max_age_ms)

    def _read(self, instance: int, sql: str, max_age_ms: int | None) -> None:
        """Ask with every ETag there ever was; what is not modified must be what is there now."""
        known = ", ".join(self.kept)
        answer = self._get(instance, sql, max_age_ms, known)
        etag = answer["headers"].get("etag")
        if answer["statusCode"] == 200:
            assert etag not in self.kept, "it was known"
            if etag is not None:
                self.kept[etag] = body_of(answer)
            else:
                assert answer["headers"]["cache-control"] == "no-store"
            return
        assert answer["statusCode"] == 304
        self.hits += 1
        fresh = body_of(self._get(instance, sql, max_age_ms, ""))
        assert self.kept[etag] == fresh

    def _get(self, instance: int, sql: str, max_age_ms: int | None, known: str) -> dict[str, Any]:
        fields = {"query": sql} | ({} if max_age_ms is None else {"max_age_ms": str(max_age_ms)})
        event = v2(
            "GET", "/read", rawQueryString=urlencode(fields), headers={"if-none-match": known}
        )
        call = http.unwrap(event)
        assert isinstance(call.request, QueryEvent)
        return caching.answer(
            self.services[instance], event, call, call.request, record(), ends_at_s=ENDS_AT_S
        )

    def _run(self, instance: int, fields: dict[str, Any]) -> None:
        event = parse(fields)
        assert isinstance(event, QueryEvent)
        self.services[instance].answer(event, record(), ends_at_s=ENDS_AT_S)


NUMBERS = count(100)
"""So that two databases of one form have other rows."""


def record() -> Record:
    return Record(function_request_id="r", door="http")


def body_of(answer: dict[str, Any]) -> Any:
    body = json.loads(answer["body"])
    del body["meta"]["duration_ms"]
    return body


Make = Callable[[], Any]


@pytest.fixture(params=ENGINES)
def make_world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A way to make a world on an engine."""
    engine = str(request.param)

    @contextmanager
    def world() -> Iterator[World]:
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            variables = variables_of(engine, Path(name), request, monkeypatch)
            services = [Service(Settings.from_environment(variables)) for _ in range(INSTANCES)]
            for service in services:
                stack.callback(service.close)
            file = Path(name, "databases", "main.db") if engine == "inplace" else None
            world = World(services, file)
            world.create()
            yield world

    return world


def check(make_world: Make, examples: int) -> int:
    """Do random steps in worlds, each time from the beginning; return how often 304 was right."""
    hits = 0

    @settings(
        max_examples=examples, derandomize=True, database=None, phases=[Phase.generate],
        deadline=None,
    )  # fmt: skip
    @given(STEPS)
    def do(steps: Sequence[Step]) -> None:
        nonlocal hits
        with make_world() as world:
            for step in steps:
                world.do(step)
            hits += world.hits

    do()
    return hits


def test_what_is_not_modified_is_what_a_fresh_answer_would_be(make_world: Make) -> None:
    assert check(make_world, EXAMPLES) > EXAMPLES


def without_the_state(patch: pytest.MonkeyPatch) -> None:
    for kind in (FileStore, LogStore):
        patch.setattr(kind, "version", lambda _store: Version("always", 0.0))


def without_the_request(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(caching._Read, "_etag", lambda _read, version: version.text)


def of_any_statement(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(versions, "is_determined", lambda _session: True)


@pytest.mark.parametrize(
    ("plant", "make_world"),
    [
        (without_the_state, "inplace"),
        (without_the_state, "log"),
        (without_the_request, "inplace"),
        (of_any_statement, "inplace"),
    ],
    indirect=["make_world"],
)
def test_an_etag_that_leaves_something_out_is_noticed(
    plant: Callable[[pytest.MonkeyPatch], None],
    make_world: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)

    with pytest.raises(AssertionError):
        check(make_world, 100)
