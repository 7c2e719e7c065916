"""The program of the tests of pandas, in the environment of the clients: each function prints.

DATABASE_URL is what they run on: the service, or stock SQLite, which has the same to say.
"""

import datetime
import os
import sqlite3
import warnings
from typing import Any

import pandas
import sqlalchemy
from pandas.errors import DatabaseError
from sqlalchemy.dialects import registry

from sqlatch import dbapi

registry.register("sqlatch.http", "sqlatch.sqlalchemy", "HttpDialect")
engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"])


def birds() -> pandas.DataFrame:
    """A column of each type, and in each but the first a value that is missing."""
    return pandas.DataFrame(
        {
            "id": [1, 2, 2**53 + 1],
            "seen": pandas.Series([7, None, -7], dtype="Int64"),
            "weight_g": [0.1, float("nan"), -1e300],
            "name": ["né\U0001f600", None, ""],
            "sings": pandas.Series([True, None, False], dtype="boolean"),
            "ringed_at": pandas.Series(
                ["2026-01-02 03:04:05.000006", None, "1969-12-31"], dtype="datetime64[us]"
            ),
            "hatched": [datetime.date(2026, 1, 2), None, datetime.date(1969, 12, 31)],
            "feather": [b"\x00\xff", None, b""],
        }
    )


def a_table_comes_back_as_it_went() -> None:
    birds().to_sql("birds", engine, index=False, dtype={"feather": sqlalchemy.LargeBinary})

    back = pandas.read_sql_table("birds", engine)

    sent = birds()
    sent["hatched"] = pandas.to_datetime(sent["hatched"])  # a time of pandas, read back
    for name in sent:
        pairs = zip(sent[name], back[name], strict=True)
        assert all((pandas.isna(a) and pandas.isna(b)) or a == b for a, b in pairs), back[name]
    print(*(f"{name}:{kind}" for name, kind in back.dtypes.items()))


def a_query_gives_what_sqlite_has() -> None:
    birds().to_sql("birds", engine, index=False)

    back = pandas.read_sql(
        "SELECT * FROM birds WHERE id < ? ORDER BY id",
        engine,
        params=(3,),
        parse_dates=["ringed_at", "hatched"],
    )

    print(back.to_dict("list"))


def the_plain_connection_reads() -> None:
    birds().to_sql("birds", engine, index=False)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        back = pandas.read_sql(
            "SELECT id, name, weight_g FROM birds WHERE id IN (?, ?) ORDER BY id",
            _plain(),
            params=(1, 2),
            index_col="id",
        )
    pieces = pandas.read_sql("SELECT id FROM birds ORDER BY id", _plain(), chunksize=2)

    print(back.to_dict("list"), [len(piece) for piece in pieces])
    print("warned" if said else "no warning")


def _plain() -> Any:
    url = engine.url
    if url.drivername == "sqlite":
        return sqlite3.connect(str(url.database))
    return dbapi.connect(f"http://{url.host}:{url.port}/{url.database}", token=url.password)


def many_rows_are_written() -> None:
    frame = pandas.DataFrame({"id": range(10_000), "square": [n * n for n in range(10_000)]})
    frame["name"] = frame["id"].map("number {}".format)

    print(frame.to_sql("numbers", engine, index=False))


def many_rows_are_read_in_chunks() -> None:
    pieces = pandas.read_sql("SELECT * FROM numbers ORDER BY id", engine, chunksize=4_000)
    parts = list(pieces)
    whole = pandas.concat(parts)

    print([len(part) for part in parts], bool((whole["square"] == whole["id"] ** 2).all()))


def chunks_of_one_transaction_are_written_together_or_not_at_all() -> None:
    """Given an engine, pandas commits what stands before the chunk that is refused."""
    frame = pandas.DataFrame({"id": [*range(100), 0]})
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (id INTEGER PRIMARY KEY)")
    for place in (engine.begin(), engine):
        try:
            if place is engine:
                frame.to_sql("numbers", engine, index=False, if_exists="append", chunksize=10)
            else:
                with place as connection:
                    frame.to_sql(
                        "numbers", connection, index=False, if_exists="append", chunksize=10
                    )
        except DatabaseError as error:
            print(type(error.__cause__).__name__)
        print(pandas.read_sql("SELECT count(*) AS n FROM numbers", engine)["n"].tolist())


def a_table_is_kept_appended_to_and_replaced() -> None:
    frame = pandas.DataFrame({"n": [1, 2]})
    frame.to_sql("t", engine, index=False)
    try:
        frame.to_sql("t", engine, index=False)
    except ValueError as error:
        print(error)
    for how in ("append", "replace", "delete_rows"):
        frame.to_sql("t", engine, index=False, if_exists=how)
        print(how, pandas.read_sql("SELECT n FROM t", engine)["n"].tolist())


def an_infinity_is_written() -> None:
    try:
        pandas.DataFrame({"n": [float("inf")]}).to_sql("t", engine, index=False)
    except DatabaseError as error:
        print(type(error.__cause__.__cause__).__name__)
    else:
        print("written")


def more_rows_than_a_reply_holds_are_read() -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE large (n INTEGER PRIMARY KEY, filling)")
        connection.exec_driver_sql(
            "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 90)"
            " INSERT INTO large SELECT n, hex(zeroblob(50000)) FROM i"
        )
    sql = "SELECT n, filling FROM large ORDER BY n"

    pieces = list(pandas.read_sql(sql, engine, chunksize=40))
    print([len(piece) for piece in pieces], pandas.concat(pieces)["n"].is_monotonic_increasing)
    with engine.connect() as connection:
        options: Any = {"yield_per": 7}
        result = connection.execution_options(**options).exec_driver_sql(sql)
        print(sum(n * len(filling) for n, filling in result))
