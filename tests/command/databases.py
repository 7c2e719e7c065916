"""Databases of every kind as scripts of SQLite's, and all that is in a database, to compare."""

import random
from typing import Any

import apsw

from sqlatch.command.schema import quoted

ALL_VALUES = (
    "(1), (-9223372036854775808), (0.1), (-0.0), (9e999), (-9e999), (5e-324), (1e300),"
    "('it''s'), (''), (x''), (x'00ff'), (NULL), (CAST(x'610062' AS TEXT)),"
    "(CAST(x'610d0a62' AS TEXT)), ('\n-- no comment\n'), ('a;b'), ('é😀'), ('\t')"
)
KINDS = {
    "values": f"CREATE TABLE t (v); INSERT INTO t VALUES {ALL_VALUES};",
    "rowids": "CREATE TABLE t (a); INSERT INTO t(rowid, a) VALUES (7, 'x'), (-3, 'y'), (99, 'z');"
    "CREATE TABLE u (t_rowid, b); INSERT INTO u VALUES (7, 1);",
    "columns named rowid": "CREATE TABLE t (rowid, _rowid_ TEXT); INSERT INTO t(oid, rowid)"
    " VALUES (5, 1), (9, 2), (11, 0);"
    "CREATE TABLE u (rowid, oid, _rowid_); CREATE INDEX ui ON u (rowid, oid, _rowid_);"
    " INSERT INTO u VALUES (3, 1, 1), (2, 9, 1), (1, 7, 7), (2, 9, 1);"
    "CREATE TABLE v (rowid INTEGER PRIMARY KEY, oid, _rowid_); INSERT INTO v VALUES (8, 1, 2);",
    "descending key": "CREATE TABLE t (id INTEGER PRIMARY KEY DESC, a);"
    "INSERT INTO t(rowid, id, a) VALUES (10, 3, 'x'), (20, 1, 'y'), (30, 2, 'z');",
    "keys that ignore case": "CREATE TABLE t (a TEXT COLLATE NOCASE, b, PRIMARY KEY"
    " (a COLLATE BINARY)) WITHOUT ROWID;"
    "INSERT INTO t VALUES ('a', 1), ('A', 2), ('b', 3), ('B', 4), ('c', 5);",
    "without rowid": "CREATE TABLE t (b INTEGER, a TEXT, n, PRIMARY KEY (a, b)) WITHOUT ROWID;"
    "INSERT INTO t VALUES (1, 'x', 1), (2, 'x', NULL), (1, 'y', 2.5), (0, 'z', x'00');",
    "generated columns": "CREATE TABLE t (a INT, b AS (a * 2), c AS (a || 'x') STORED, d);"
    "INSERT INTO t (a, d) VALUES (1, 2), (3, 4); CREATE INDEX i ON t (b);",
    "strict": "CREATE TABLE t (a INT, b REAL, c TEXT, d BLOB, e ANY) STRICT;"
    "INSERT INTO t VALUES (1, 2, '3', x'34', '5'), (NULL, 2.5, NULL, NULL, 1.0);",
    "autoincrement": "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a);"
    "INSERT INTO t VALUES (41, 'x'), (42, 'y'); DELETE FROM t WHERE id = 42;"
    "CREATE TABLE never (id INTEGER PRIMARY KEY AUTOINCREMENT);"
    "CREATE TABLE emptied (id INTEGER PRIMARY KEY AUTOINCREMENT);"
    "INSERT INTO emptied VALUES (9); DELETE FROM emptied;",
    "references against the alphabet": "CREATE TABLE z (id INTEGER PRIMARY KEY, code TEXT);"
    "CREATE UNIQUE INDEX codes ON z (code);"
    "CREATE TABLE a (id INTEGER PRIMARY KEY, z REFERENCES z, code TEXT REFERENCES Z (code));"
    "CREATE TABLE m (id INTEGER PRIMARY KEY, up REFERENCES m, a REFERENCES a);"
    "INSERT INTO z VALUES (1, 'x'), (2, 'y'); INSERT INTO a VALUES (1, 2, 'x'), (2, 1, 'y');"
    "INSERT INTO m VALUES (1, 3, 1), (2, NULL, 2), (3, 1, 1);",
    "references in a circle": "CREATE TABLE a (id INTEGER PRIMARY KEY, b REFERENCES b);"
    "CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a);"
    "INSERT INTO a VALUES (1, 1), (2, 2); INSERT INTO b VALUES (1, 2), (2, 1);",
    "comments at the end": "CREATE TABLE t (a -- the last\n);CREATE VIEW v AS SELECT 1 -- one\n;"
    "CREATE VIEW w AS SELECT a FROM t /* two */; CREATE INDEX i ON t (a) -- three\n;"
    "CREATE INDEX j ON t (a) WHERE a > 1 -- four\n;",
    "triggers": "CREATE TABLE Pairs (a); CREATE TABLE log (a); INSERT INTO pairs VALUES (1);"
    "CREATE TRIGGER logged AFTER INSERT ON PAIRS BEGIN INSERT INTO log VALUES (new.a); END;"
    "CREATE VIEW both AS SELECT a FROM pairs; CREATE TRIGGER instead INSTEAD OF INSERT ON BOTH"
    " BEGIN INSERT INTO pairs VALUES (new.a); SELECT CASE WHEN 1 THEN ';' END; END;",
    "views of views": "CREATE VIEW b AS SELECT * FROM a; CREATE VIEW a AS SELECT 1 AS x;"
    "CREATE TABLE t (x); INSERT INTO t SELECT 1; CREATE VIEW c (\"y;\") AS SELECT x FROM t;",
    "hostile names": 'CREATE TABLE "a;b" ("c""d", "e\'f" TEXT, "--", "/*", [ ], `é`);'
    "INSERT INTO \"a;b\" VALUES (1, 'x', 2, 3, 4, 5);"
    'CREATE INDEX "i;--" ON "a;b" ("--"); CREATE TABLE "line\nend" ("x\ny");'
    "INSERT INTO \"line\nend\" VALUES ('-- '), ('/*'); CREATE TABLE É (x); CREATE TABLE é (x);"
    "INSERT INTO É VALUES (1); INSERT INTO é VALUES (2);"
    'CREATE TABLE "select" ("from"); INSERT INTO "select" VALUES (1); CREATE TABLE "" (x);'
    'INSERT INTO "" VALUES (1);',
    "settings": "CREATE TABLE t (n); PRAGMA user_version = -7; PRAGMA application_id = 123456789;",
    "statistics": "CREATE TABLE t (n); CREATE INDEX i ON t (n); INSERT INTO t VALUES (1), (2), (2);"
    "ANALYZE;",
    "fts5": "CREATE TABLE notes (id INTEGER PRIMARY KEY, title);"
    "CREATE VIRTUAL TABLE f USING fts5(a, b UNINDEXED, tokenize = \"porter ascii\");"
    "INSERT INTO f (rowid, a, b) VALUES (3, 'running dogs', 1), (100, 'cats; \"run\"', x'01'),"
    " (-5, NULL, NULL); INSERT INTO notes VALUES (3, 'x'), (100, 'y');"
    "INSERT INTO f (f, rank) VALUES ('rank', 'bm25(10.0, 5.0)'), ('automerge', 8);",
    "fts5 of a table": "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);"
    "CREATE VIRTUAL TABLE f USING fts5(a, b, /* , */ Content = 't', content_rowid='id');"
    "CREATE TRIGGER t_in AFTER INSERT ON t BEGIN"
    " INSERT INTO f (rowid, a, b) VALUES (new.id, new.a, new.b); END;"
    "INSERT INTO t VALUES (7, 'alpha', 'x'), (9, 'beta gamma', 'y');",
    "fts5 of a view": "CREATE TABLE t (id INTEGER PRIMARY KEY, a);"
    "CREATE VIEW v AS SELECT id AS n, upper(a) AS a FROM t;"
    "CREATE VIRTUAL TABLE f USING fts5(a, content=v, content_rowid=n);"
    "INSERT INTO t VALUES (7, 'alpha'), (9, 'beta');"
    "INSERT INTO f (f) VALUES ('rebuild');",
    "fts4": "CREATE VIRTUAL TABLE f USING fts4(a, b, languageid=\"lid\", tokenize=porter);"
    "INSERT INTO f (docid, a, b, lid) VALUES (7, 'running', 'x', 0), (9, 'dogs', 'y', 2);"
    "CREATE VIRTUAL TABLE g USING fts3(a); INSERT INTO g (docid, a) VALUES (5, 'cat');"
    "CREATE TABLE t (a); INSERT INTO t (rowid, a) VALUES (4, 'x'), (6, 'y');"
    "CREATE VIRTUAL TABLE h USING fts4(a, content=\"t\"); INSERT INTO h (h) VALUES ('rebuild');",
    "rtree": "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, y0, y1, +name);"
    "INSERT INTO r VALUES (5, 0.1, 0.2, -3, 4, 'a'), (9, 1, 2, 3, 4.7, NULL);"
    "CREATE VIRTUAL TABLE i USING rtree_i32(id, x0, x1); INSERT INTO i VALUES (3, 1, 2);"
    "CREATE VIRTUAL TABLE g USING geopoly(name);"
    "INSERT INTO g (rowid, _shape, name) VALUES (8, '[[0,0],[1,0],[0,1],[0,0]]', 'tri');",
    "utf-16": "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a); INSERT INTO t VALUES ('é😀');",
    "a column dropped, a table renamed": "CREATE TABLE t (a, b, c); INSERT INTO t VALUES (1, 2, 3);"
    "ALTER TABLE t DROP COLUMN b; ALTER TABLE t RENAME TO \"new name\";"
    'ALTER TABLE "new name" ADD COLUMN d DEFAULT \'it\'\'s;\';',
}  # fmt: skip

NAMES = ("t", "Order", 'a"b', "x;y", "é", "É", "-- c", "z z", "rowid", "1", "index")
TYPES = ("", "INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", "ANY THING", "TEXT COLLATE NOCASE")
SQL_VALUES = (
    "NULL", "1", "0", "-7", "9223372036854775807", "0.1", "2.0", "1e300", "'x'", "'X'", "''",
    "'it''s'", "'1'", "'1.0'", "x'00'", "CAST(x'0d0a' AS TEXT)", "'a\nb'", "'é'", "3.3e-20",
)  # fmt: skip


def generated(chance: random.Random) -> str:
    """A database by chance: tables that refer to each other, and what hangs on them."""
    script = [f"PRAGMA user_version = {chance.randrange(5)}"]
    names = chance.sample(NAMES, 4)
    parents: dict[str, str] = {}
    for name in names:
        columns = [f"c{at} {chance.choice(TYPES)}" for at in range(chance.randrange(1, 5))]
        key = chance.choice(("id INTEGER PRIMARY KEY", "id PRIMARY KEY", "id INT UNIQUE", "id"))
        parent = chance.choice((None, *names))
        refers = ["up"]
        if parent is not None:
            parents[name] = parent
            refers = [f"up REFERENCES {quoted(parent)} (id)"]
        without = " WITHOUT ROWID" if key == "id PRIMARY KEY" and chance.random() < 0.6 else ""
        columns = chance.sample([key, *refers, *columns], len(columns) + 2)
        script.append(f"CREATE TABLE {quoted(name)} ({', '.join(columns)}){without}")
        script.append(f"CREATE INDEX {quoted(f'i {name}')} ON {quoted(name)} (up, id)")
        if key == "id":
            script.append(f"CREATE UNIQUE INDEX {quoted(f'u {name}')} ON {quoted(name)} (id)")
        script += [
            f"CREATE VIEW {quoted(f'v {name}')} AS SELECT id, up FROM {quoted(name)} -- end\n",
            f"CREATE TRIGGER {quoted(f'g {name}')} AFTER INSERT ON {quoted(name)}"
            f" BEGIN UPDATE {quoted(name)} SET up = up; END",
        ]  # fmt: skip
    for name in names:
        for number in chance.sample(range(40), chance.randrange(8)):
            rest = _row(chance, script, name)
            names_of = ", ".join(("id", *rest))
            values = ", ".join((str(number), *rest.values()))
            script.append(f"INSERT INTO {quoted(name)} ({names_of}) VALUES ({values})")
    for name, parent in parents.items():
        script.append(
            f"UPDATE {quoted(name)} SET up = CASE id % 3"
            f" WHEN 0 THEN (SELECT min(id) FROM {quoted(parent)})"
            f" WHEN 1 THEN (SELECT max(id) FROM {quoted(parent)}) END"
        )
    return ";".join([*script, ""])


def _row(chance: random.Random, script: list[str], name: str) -> dict[str, str]:
    (made,) = [one for one in script if one.startswith(f"CREATE TABLE {quoted(name)} ")]
    return {f"c{at}": chance.choice(SQL_VALUES) for at in range(5) if f"c{at} " in made}


def whole(connection: apsw.Connection) -> dict[str, Any]:
    """All that a user can tell two databases apart by, but where in the file it lies."""
    schema = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name NOT LIKE 'sqlatch%'"
        " AND name NOT LIKE 'sqlite_stat%' ORDER BY type, name"
    ).fetchall()
    kinds: Any = connection.execute(
        "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'"
    ).fetchall()
    of_own = {name: (kind, wr) for name, kind, wr in kinds if kind in ("table", "virtual", "view")}
    contents = {
        name: _contents(connection, name, kind, without_rowid=bool(wr))
        for name, (kind, wr) in of_own.items()
        if not name.startswith(("sqlatch_", "sqlite_schema", "sqlite_stat"))
    }
    return {
        "schema": [one for one in schema if of_own.get(one[1]) or one[0] != "table"],
        "contents": contents,
        "found": {name: _found(connection, name) for name in contents if len(name) == 1},
        **{
            name: connection.execute(f"PRAGMA {name}").get
            for name in ("user_version", "application_id", "encoding")
        },
        "well": connection.execute("PRAGMA integrity_check").fetchall(),
        "statistics": "sqlite_stat1" in of_own,
    }


def _contents(
    connection: apsw.Connection, name: str, kind: str, *, without_rowid: bool
) -> list[Any]:
    """Every value with its type, and the rowids that can be told."""
    columns: Any = connection.execute("SELECT name FROM pragma_table_xinfo(?)", (name,)).fetchall()
    taken = {column.lower() for (column,) in columns}
    rowids = [one for one in ("rowid", "oid", "_rowid_") if one not in taken]
    if without_rowid or kind == "view" or name == "sqlite_sequence":
        rowids = []
    selected = [*rowids[:1], *(quoted(column) for (column,) in columns if column != "rank")]
    told = ", ".join(f"quote({one}), typeof({one})" for one in selected)
    rows = connection.execute(f"SELECT {told} FROM {quoted(name)}").fetchall()
    # Where no name tells the rowids, their order is all there is.
    in_order = kind == "table" and not rowids and not without_rowid and name != "sqlite_sequence"
    return rows if in_order else sorted(rows)


def _found(connection: apsw.Connection, name: str) -> list[Any] | None:
    """Return the rows that a full-text index finds; None for another table."""
    hidden = connection.execute(
        "SELECT 1 FROM pragma_table_xinfo(?) WHERE hidden = 1 AND name = ?", (name, name)
    ).fetchall()
    if not hidden:
        return None
    words = ("alpha", "run", "ALPHA", "dog", "dogs", "gamma", "cat", "x", "y")
    match = f"SELECT ?, rowid FROM {quoted(name)} WHERE {quoted(name)} MATCH ? ORDER BY rowid"
    found: list[Any] = [row for word in words for row in connection.execute(match, (word, word))]
    if connection.execute(
        "SELECT 1 FROM pragma_table_xinfo(?) WHERE name = 'rank'", (name,)
    ).fetchall():
        found += connection.execute(f"SELECT k, v FROM {quoted(name + '_config')}").fetchall()
    return found
