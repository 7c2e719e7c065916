"""Tables over the network: migrations, what is introspected, databases for tests."""

import io
import unittest
from contextlib import closing
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import (
    IntegrityError,
    NotSupportedError,
    OperationalError,
    connection,
    migrations,
    models,
    transaction,
)
from django.db.migrations.state import ProjectState
from django.test import TestCase

import hrana.state
from sqlatch import dbapi
from sqlatch.dbapi import connection as dbapi_connection
from tests.django.bank.models import Account, Entry
from tests.django.conftest import Open
from tests.sqlatch.losing import losing

pytestmark = pytest.mark.django

CREATED = [
    migrations.CreateModel(
        "Shelf", [("id", models.AutoField(primary_key=True)), ("name", models.TextField())]
    ),
    migrations.CreateModel(
        "Book",
        [
            ("id", models.AutoField(primary_key=True)),
            ("shelf", models.ForeignKey("library.Shelf", models.CASCADE)),
            ("title", models.CharField(max_length=9)),
        ],
    ),
]
CHANGED = [
    migrations.AlterField("Book", "title", models.CharField(max_length=200, unique=True)),
    migrations.AddField("Shelf", "height", models.IntegerField(default=3)),
    migrations.AlterField("Shelf", "name", models.CharField(max_length=20, db_index=True)),
    migrations.RenameField("Shelf", "name", "label"),
    migrations.AddConstraint(
        "Shelf", models.CheckConstraint(condition=models.Q(height__gt=0), name="has_height")
    ),
    migrations.AddIndex("Book", models.Index(models.F("title").desc(), name="by_title")),
    migrations.RenameModel("Book", "Volume"),
]


def migrate(state: ProjectState, *operations: Any) -> ProjectState:
    """Apply the operations as one migration."""
    with connection.schema_editor(atomic=True) as editor:
        for operation in operations:
            before = state.clone()
            operation.state_forwards("library", state)
            operation.database_forwards("library", editor, before, state)
    return state


def rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        return cursor.execute(sql).fetchall()


def fill(state: ProjectState) -> None:
    shelf = state.apps.get_model("library", "Shelf").objects.create(name="left")
    for title in "ab":
        state.apps.get_model("library", "Book").objects.create(shelf=shelf, title=title)


def test_a_migration_remakes_tables_that_are_referred_to(remote: Open) -> None:
    state = migrate(ProjectState(), *CREATED)
    fill(state)

    migrate(state, *CHANGED)

    assert rows("SELECT label, height FROM library_shelf") == [("left", 3)]
    assert rows("SELECT id, shelf_id, title FROM library_volume") == [(1, 1, "a"), (2, 1, "b")]
    assert rows("PRAGMA foreign_keys") == [(1,)]
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        rows("DELETE FROM library_shelf")
    with pytest.raises(IntegrityError, match="has_height"):
        rows("UPDATE library_shelf SET height = 0")


def test_a_migration_that_fails_leaves_nothing_behind(remote: Open) -> None:
    state = migrate(ProjectState(), *CREATED)
    fill(state)
    before = rows("SELECT name, sql FROM sqlite_schema ORDER BY name")

    def fail(_apps: Any, _editor: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        migrate(state.clone(), *CHANGED, migrations.RunPython(fail))

    assert rows("SELECT name, sql FROM sqlite_schema ORDER BY name") == before
    assert rows("PRAGMA foreign_keys") == [(1,)]


def test_a_table_is_not_remade_within_a_transaction(remote: Open) -> None:
    """There foreign keys cannot be turned off, and dropping the old table would cascade."""
    state = migrate(ProjectState(), *CREATED)

    with pytest.raises(NotSupportedError, match="foreign key"), transaction.atomic():
        rows("SELECT 1")
        migrate(state, *CHANGED)


def test_inspectdb_tells_the_tables_but_for_the_services_own(remote: Open) -> None:
    Account.objects.create(owner="a")
    assert rows("SELECT 1 FROM sqlite_schema WHERE name LIKE 'sqlatch%'")
    told = io.StringIO()

    call_command("inspectdb", stdout=told)

    assert "class BankAccount(models.Model)" in told.getvalue()
    assert "owner = models.CharField(unique=True, max_length=40)" in told.getvalue()
    assert "account = models.ForeignKey(BankAccount, models.DO_NOTHING)" in told.getvalue()
    assert "sqlatch" not in told.getvalue().lower()


def test_flush_leaves_the_tables_and_takes_one_request_and_a_commit(remote: Open) -> None:
    Entry.objects.create(account=Account.objects.create(owner="a"), text="x")
    transport = losing(connection.connection)
    statements = connection.ops.sql_flush(
        no_style(), ["bank_account"], reset_sequences=True,
        allow_cascade=True,
    )  # fmt: skip
    transport.sent = 0
    connection.ops.execute_sql_flush(statements)

    assert transport.sent == 2
    assert Entry.objects.count() == 0
    assert Account.objects.create(owner="b").pk == 1


def objects(url: str, token: str) -> set[str]:
    with closing(dbapi.connect(url, token=token)) as other:
        found = other.execute("SELECT name FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    return {name for (name,) in found if not name.startswith(("sqlite_", "sqlatch_"))}


def test_a_test_database_is_emptied_before_and_after(remote: Open, http_url: str) -> None:
    token = connection.settings_dict["OPTIONS"]["token"]
    test_url = http_url.replace("/main", "/test_main")
    with remote(test_url).cursor() as cursor:
        cursor.executescript(
            """CREATE TABLE "a ""b" (x INTEGER PRIMARY KEY);
            CREATE TABLE child (x REFERENCES "a ""b" (x)); CREATE INDEX i ON child (x);
            CREATE VIEW v AS SELECT * FROM child; CREATE VIRTUAL TABLE f USING fts5 (t);
            CREATE TRIGGER tr AFTER INSERT ON child BEGIN SELECT 1; END;
            INSERT INTO "a ""b" VALUES (1); INSERT INTO child VALUES (1);"""
        )
    Account.objects.create(owner="of main")

    made = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    within = objects(test_url, token)
    assert Account.objects.count() == 0
    Account.objects.create(owner="of a test")
    connection.creation.destroy_test_db(http_url, verbosity=0)

    assert made == test_url
    assert {"bank_account", "bank_entry", "bank_everything"} <= within
    assert within.isdisjoint({'a "b', "child", "i", "v", "f", "tr"})
    assert objects(test_url, token) == set()
    assert [account.owner for account in Account.objects.all()] == ["of main"]


@pytest.mark.parametrize("name", ["main", "URL"])
def test_the_database_itself_is_never_taken_for_a_test_database(
    remote: Open, http_url: str, name: str
) -> None:
    connection.settings_dict["TEST"]["NAME"] = f"{http_url}/" if name == "URL" else name

    with pytest.raises(ImproperlyConfigured, match="is the database itself"):
        connection.creation.create_test_db(verbosity=0, autoclobber=True)

    assert "bank_account" in objects(http_url, connection.settings_dict["OPTIONS"]["token"])


def test_an_old_test_database_is_not_emptied_unasked(
    remote: Open, http_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_url = http_url.replace("/main", "/test_main")
    with remote(test_url).cursor() as cursor:
        cursor.execute("CREATE TABLE old (x)")
    monkeypatch.setattr("builtins.input", lambda _asked: "no")

    with pytest.raises(SystemExit):
        connection.creation.create_test_db(verbosity=0)

    assert objects(test_url, connection.settings_dict["OPTIONS"]["token"]) == {"old"}


def run(case: type[TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def case_of(count: int) -> type[TestCase]:
    """A class of tests, each of which writes, and sees what was set up and no more."""

    def test(self: Any) -> None:
        assert Account.objects.count() == 1
        with pytest.raises(IntegrityError), transaction.atomic():
            Account.objects.create(owner="set up")
        with transaction.atomic():
            Entry.objects.create(account=self.account, text="x")
        assert Entry.objects.count() == 1

    def set_up(cls: Any) -> None:
        cls.account = Account.objects.create(owner="set up")

    members: dict[str, Any] = {f"test_{number}": test for number in range(count)}
    return type("Case", (TestCase,), members | {"setUpTestData": classmethod(set_up)})


def test_a_testcase_of_any_length_is_no_longer_than_its_longest_test(
    remote: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hrana.state, "STATEMENTS_MAX", 25)

    result = run(case_of(12))

    assert (result.testsRun, result.errors, result.failures) == (12, [], [])
    assert Account.objects.count() == 0


def test_a_testcase_may_take_longer_than_a_transaction_may_be_idle(
    remote: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gone back to, what was set up is as fresh as if it had just been said."""
    monkeypatch.setattr(dbapi_connection, "MARK_S_MAX", 0.0)

    result = run(case_of(3))

    assert (result.testsRun, result.errors, result.failures) == (3, [], [])


def test_a_transaction_past_its_limit_says_so(
    remote: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hrana.state, "STATEMENTS_MAX", 5)

    with pytest.raises(OperationalError, match="limit of"), transaction.atomic():
        for number in range(6):
            Account.objects.create(owner=str(number))

    assert Account.objects.count() == 0
