"""Schemas and statements by chance: what SQLite can do, right and wrong, for two to do alike."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

TYPES = ("", "INTEGER", "INT", "TEXT", "REAL", "BLOB", "NUMERIC", "BOOLEAN", "DATE", "VARCHAR(9)")
STRICT_TYPES = ("INTEGER", "INT", "TEXT", "REAL", "BLOB", "ANY")
COLLATIONS = ("", "", "", " COLLATE NOCASE", " COLLATE RTRIM", " COLLATE BINARY")
ACTIONS = ("CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION")
CONFLICTS = ("", "", "OR REPLACE", "OR IGNORE", "OR ABORT", "OR FAIL", "OR ROLLBACK")
COLUMNS = "abcd"
LITERALS = (
    "NULL", "0", "1", "-1", "7", "4611686018427387904", "0x10", "1.5", "-0.0", "9e999", "1e-7",
    "''", "'a'", "'A '", "'é☃'", "'12'", "'1e1'", "'[1, {\"k\": null}]'", "x''", "x'00ff'", "TRUE",
)  # fmt: skip
VALUES = (
    None, 0, 1, 2, 3, -1, 2**62, 1.5, 1e300, -0.0, float("inf"), "", "a", "B", "a ", "ß", "12",
    "a b", '{"k": [1, 2]}', b"", b"\x00\xff", True,
)  # fmt: skip
UNARY = (
    "abs", "length", "lower", "upper", "typeof", "hex", "quote", "trim", "json_valid", "round",
    "unicode", "sign", "sum", "min", "max", "count", "total", "avg", "group_concat", "json_array",
    "json_group_array", "date", "unhex", "octet_length", "json", "nosuch",
)  # fmt: skip
BINARY = (
    "+", "-", "*", "/", "%", "||", "=", "<", ">=", "IS", "IS NOT", "LIKE", "GLOB", "AND", "OR",
    "&", "<<", "->>", "->",
)  # fmt: skip
WINDOWS = (
    "OVER ()", "OVER (ORDER BY a)", "OVER (PARTITION BY b ORDER BY a, rowid)",
    "OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
    "OVER (ORDER BY a GROUPS UNBOUNDED PRECEDING EXCLUDE TIES)",
)  # fmt: skip
WINDOWED = ("sum(a)", "count(*)", "row_number()", "rank()", "lag(b)", "first_value(a)", "ntile(2)")

FORBIDDEN = (
    "PRAGMA nosuch",
    "BEGIN", "COMMIT", "SAVEPOINT x", "ATTACH 'x' AS y", "PRAGMA journal_mode = WAL",
    "PRAGMA foreign_keys = OFF", "CREATE TEMP TABLE x (a)", "VACUUM INTO 'x'",
    "SELECT load_extension('x')", "SELECT * FROM sqlatch_idempotency", "CREATE TABLE sqlatch_x (a)",
)  # fmt: skip
"""The refusals that DESIGN lists; everything else must be answered as SQLite does."""

OTHERS = (
    "ANALYZE", "REINDEX", "PRAGMA table_xinfo(t0)", "PRAGMA foreign_key_check", "VACUUM",
    "PRAGMA user_version = 7", "PRAGMA user_version", "PRAGMA integrity_check", "SELECT", "",
    "PRAGMA foreign_key_list(t1)",
    "SELECT name FROM sqlite_schema WHERE tbl_name LIKE 't_'", "-- nothing",
    "SELECT 1; SELECT 2", "INSERT INTO t0", "DROP TABLE nosuch", "PRAGMA optimize",
)  # fmt: skip

EXPLAIN = "EXPLAIN QUERY PLAN "
LONG = (10_500, 15_000, 17_000, 66_000)
"""Characters: below and above what the service, and apsw, keep of a text."""

REPEATED_MAX = 3

Parameters = list[Any] | dict[str, Any]


@dataclass
class Query:
    """One statement as a request has it."""

    sql: str
    parameters: Parameters | None = None
    parameter_sets: list[Parameters] | None = None


@dataclass
class Generator:
    """Statements, one after the other. Who runs them says which `tables` there are."""

    chance: Random
    tables: list[str] = field(default_factory=list)
    named: int = 0
    made: int = 0
    repeated: list[Query] = field(default_factory=list)

    def request(self) -> list[Query]:
        """One statement mostly; several are all or nothing."""
        count = 1 if self.chance.random() < 0.8 else self.chance.randint(2, 4)
        return [self.query() for _query in range(count)]

    def query(self) -> Query:
        if len(self.tables) < 2 or self.chance.random() < 0.06:
            return Query(self.create())
        kinds = {
            self.insert: 8, self.select: 8, self.update: 4, self.delete: 2, self.schema: 5,
            self.other: 1, self.again: 9,
        }  # fmt: skip
        (kind,) = self.chance.choices(list(kinds), list(kinds.values()))
        made: Any = kind()
        return made if isinstance(made, Query) else Query(made)

    def again(self) -> Query:
        """A statement that is sent several times, whatever has become of its tables meanwhile."""
        if len(self.repeated) < REPEATED_MAX or self.chance.random() < 0.1:
            made: Any = self.of((self.insert, self.select, self.update, self.plain, self.plain))()
            query = made if isinstance(made, Query) else Query(made)
            if self.chance.random() < 0.4:
                query = replace(query, sql=EXPLAIN + query.sql)
            if self.chance.random() < 0.5:
                query = replace(query, sql=f"{query.sql} /* {'x' * self.of(LONG)} */")
            self.repeated = [query, *self.repeated[: REPEATED_MAX - 1]]
        return self.of(self.repeated)

    def plain(self) -> str:
        """A write that fails seldom."""
        table = self.of(self.tables)
        return self.of((
            f"INSERT INTO {table} (b) VALUES (2)",
            f"INSERT INTO {table} (b, c) VALUES (1, 1), (2, 2)",
            f"INSERT OR REPLACE INTO {table} (c) SELECT count(*) FROM {table}",
            f"UPDATE {table} SET c = 1",
        ))  # fmt: skip

    def create(self) -> str:
        name = f"t{self.named}"
        special = self.chance.random() if self.tables else 1
        self.named += 1
        if special < 0.12:
            return f"CREATE VIRTUAL TABLE {name} USING fts5(a, b, c, d)"
        if special < 0.2:
            return f"CREATE VIRTUAL TABLE {name} USING rtree(a, b, c, +d)"
        if special < 0.25:
            return f"CREATE TABLE {name} AS {self.select()}"
        strict = self.chance.random() < 0.25
        columns = [self.column(letter, strict=strict) for letter in COLUMNS]
        options = ["STRICT"] * strict
        if "PRIMARY KEY" in columns[0] and self.chance.random() < 0.2:
            options.append("WITHOUT ROWID")
        if self.chance.random() < 0.3:
            columns.append(self.chance.choice(("UNIQUE (b, c)", "CHECK (b <> 'a')", self.key())))
        return f"CREATE TABLE {name} ({', '.join(columns)}) {', '.join(options)}"

    def column(self, letter: str, *, strict: bool) -> str:
        kind = self.of(STRICT_TYPES if strict else TYPES)
        if letter == "a" and self.chance.random() < 0.6:
            keys = (
                "INTEGER PRIMARY KEY",
                f"{kind} PRIMARY KEY",
                "INTEGER PRIMARY KEY AUTOINCREMENT",
            )
            return f"a {self.of(keys)}"
        if letter == "d" and self.chance.random() < 0.3:
            stored = self.of(("VIRTUAL", "STORED"))
            expression = self.of(("a + 1", "a || b", "upper(b)", "json_array(a, c)", "length(c)"))
            return f"d {kind} GENERATED ALWAYS AS ({expression}) {stored}"
        rules = (
            "", "", "", " NOT NULL", " UNIQUE", " UNIQUE ON CONFLICT IGNORE",
            " NOT NULL ON CONFLICT REPLACE DEFAULT 3", f" CHECK ({letter} IS NOT 7)",
            f" DEFAULT {self.literal()}", self.key().removeprefix("FOREIGN KEY (b)"),
        )  # fmt: skip
        return f"{letter} {kind}{self.of(COLLATIONS)}{self.of(rules)}"

    def key(self) -> str:
        when = f"ON DELETE {self.of(ACTIONS)} ON UPDATE {self.of(ACTIONS)}"
        later = self.of(("", " DEFERRABLE INITIALLY DEFERRED"))
        return f"FOREIGN KEY (b) REFERENCES {self.of(self.tables or ['t0'])} (a) {when}{later}"

    def schema(self) -> str:
        self.made += 1
        table, name = self.of(self.tables), f"x{self.made}"
        unique = self.of(("", "", "UNIQUE "))
        event = self.of(("INSERT", "DELETE", "UPDATE", "UPDATE OF b"))
        return self.of((
            f"CREATE {unique}INDEX {name} ON {table} (b{self.of(COLLATIONS)}, c DESC)",
            f"CREATE INDEX {name} ON {table} ({self.expression(1)}) WHERE b IS NOT NULL",
            f"CREATE VIEW {name} (p, q) AS SELECT a, count(*) FROM {table} GROUP BY b",
            f"CREATE TRIGGER {name} {self.of(('BEFORE', 'AFTER'))} {event} ON {table}"
            f" WHEN {self.expression(1)} BEGIN {self.triggered()}; END",
            f"CREATE TRIGGER {name} INSTEAD OF INSERT ON x{self.made - 1}"
            f" BEGIN INSERT INTO {table} (b, c) VALUES (new.p, new.q); END",
            f"ALTER TABLE {table} ADD COLUMN e DEFAULT {self.of(LITERALS)}",
            f"ALTER TABLE {table} RENAME COLUMN c TO c{self.made}",
            f"ALTER TABLE {table} DROP COLUMN c",
            f"ALTER TABLE {table} RENAME TO t{self.named + 50}",
            f"DROP INDEX IF EXISTS x{self.made - 2}",
            f"DROP VIEW IF EXISTS x{self.made - 2}",
            f"DROP TRIGGER IF EXISTS x{self.made - 2}",
            f"DROP TABLE {table}",
        ))  # fmt: skip

    def triggered(self) -> str:
        table = self.of(self.tables)
        return self.of((
            f"INSERT OR IGNORE INTO {table} (b) VALUES (1)",
            f"UPDATE {table} SET c = c + 1 WHERE rowid = 1",
            f"DELETE FROM {table} WHERE b = 'a'",
            f"SELECT RAISE({self.of(('IGNORE', 'ABORT, 1', 'ROLLBACK, 1', 'FAIL, 1'))})",
        ))  # fmt: skip

    def insert(self) -> Query:
        table = self.of(self.tables)
        columns = self.chance.sample(self.of(("abc", "abc", COLUMNS)), self.chance.randint(1, 3))
        into = f"INSERT {self.of(CONFLICTS)} INTO {table} ({', '.join(columns)})"
        end = self.of(("", "", self.upsert(), self.returning()))
        kind = self.chance.random()
        if kind < 0.3:
            return Query(f"{into} VALUES ({', '.join(map(self.literal, columns))}) {end}")
        if kind < 0.4:
            last = ", ".join(["last_insert_rowid() + 1"] * len(columns))
            some = f"{', '.join(columns)} FROM {self.of(self.tables)} WHERE 1"
            return Query(f"{into} SELECT {self.of((last, some, some))}")
        if kind < 0.45:
            return Query(f"INSERT INTO {table} DEFAULT VALUES {self.returning()}")
        if kind < 0.6:
            names = ", ".join(self.of(":@$") + column for column in columns)
            return Query(f"{into} VALUES ({names}) {end}", {c: self.of(VALUES) for c in columns})
        marks = f"{into} VALUES ({', '.join('?' * len(columns))}) {end}"
        if kind < 0.8:
            return Query(marks, self.row(columns))
        return Query(marks, None, [self.row(columns) for _set in range(self.chance.randint(1, 5))])

    def row(self, columns: list[str]) -> list[Any]:
        return [self.of(VALUES) for _column in columns]

    def upsert(self) -> str:
        then = self.of(("NOTHING", "UPDATE SET b = excluded.b", "UPDATE SET c = c + 1 WHERE c < 3"))
        return f"ON CONFLICT {self.of(('', '(a)', '(b)', '(b, c)'))} DO {then} {self.returning()}"

    def returning(self) -> str:
        return self.of(
            ("", f"RETURNING *, {self.expression(1)}", "RETURNING a AS x, b", "RETURNING rowid")
        )

    def update(self) -> Query:
        table, letter = self.of(self.tables), self.of(COLUMNS)
        start = f"UPDATE {self.of(CONFLICTS)} {table} SET {letter} ="
        source = self.of(("", "", f" FROM (SELECT a AS z, b AS y FROM {self.of(self.tables)})"))
        where = f"WHERE {self.expression(2)} {self.returning()}"
        if self.chance.random() < 0.4:
            return Query(f"{start} ?{source} {where}", [self.of(VALUES)])
        return Query(f"{start} {self.expression(2)}{source} {where}")

    def delete(self) -> str:
        table = self.of(self.tables)
        inner = f"a IN (SELECT b FROM {self.of(self.tables)})"
        return (
            f"DELETE FROM {table} WHERE {self.of((inner, self.expression(2)))} {self.returning()}"
        )

    def select(self) -> str:
        table, other = self.of(self.tables), self.of(self.tables)
        plain = f"SELECT * FROM {table}"
        return self.of((
            plain,
            f"{plain} WHERE {self.expression(2)}",
            f"{plain} ORDER BY {self.expression(1)} DESC NULLS LAST, 1 LIMIT 3 OFFSET 1",
            f"SELECT {self.expression(2)}, {self.expression(2)} AS \"a b\" FROM {table}",
            f"SELECT DISTINCT b{self.of(COLLATIONS)}, c FROM {table}",
            f"SELECT b, {self.of(UNARY)}(c), count(*) FILTER (WHERE a > 1) FROM {table} GROUP BY b"
            f" HAVING count(*) < 9",
            f"SELECT {self.of(WINDOWED)} {self.of(WINDOWS)}, b FROM {table}",
            f"SELECT * FROM {table} x {self.of(('LEFT', 'FULL', 'NATURAL'))} JOIN {other} y"
            f" {self.of(('ON x.a = y.b', 'USING (a)', ''))} LIMIT 20",
            f"SELECT a, b FROM {table} {self.of(('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'))}"
            f" SELECT b, c FROM {other}",
            f"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i * 2 FROM n WHERE i < 99),"
            f" m AS MATERIALIZED (SELECT * FROM {table}) SELECT * FROM n LEFT JOIN m ON a = i",
            f"SELECT key, value, type FROM {table}, json_each({table}.c)",
            f"SELECT json_object('a', a, 'b', b), json_extract(c, '$.k[1]') FROM {table}",
            f"SELECT *, rank FROM {table} WHERE {table} MATCH 'a OR b*'",
            f"SELECT rowid, * FROM {table} WHERE a BETWEEN 0 AND 2 AND b >= 0",
            f"SELECT * FROM x{self.made}",
            f"SELECT (SELECT max(b) FROM {other} WHERE {other}.a = {table}.b) FROM {table}",
            f"VALUES ({self.literal()}, {self.literal()}), ({self.literal()}, 2)",
        ))  # fmt: skip

    def other(self) -> str:
        return self.of((*OTHERS, *FORBIDDEN))

    def expression(self, depth: int) -> str:
        kind = self.chance.random() if depth else 1.0
        if kind < 0.25:
            return f"{self.of(UNARY[:12])}({self.expression(depth - 1)})"
        if kind < 0.6:
            left, right = self.expression(depth - 1), self.expression(depth - 1)
            return f"({left} {self.of(BINARY)} {right})"
        if kind < 0.7:
            return f"CASE WHEN {self.expression(depth - 1)} THEN a ELSE {self.literal()} END"
        if kind < 0.75:
            return f"CAST({self.expression(depth - 1)} AS {self.of(TYPES[1:])})"
        return self.of((*COLUMNS, self.literal(), self.literal()))

    def literal(self, _column: str = "") -> str:
        return self.of(LITERALS)

    def of(self, choices: Any) -> Any:
        return self.chance.choice(choices)
