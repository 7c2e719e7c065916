"""The requests of a stream, one by one: stored texts, scripts, descriptions, autocommit."""

from tests.hrana.client import Client, execute, plain, response, results


def test_stored_texts_live_as_long_as_the_stream(client: Client) -> None:
    stream = client.stream()
    stream.ask({"type": "store_sql", "sql_id": 7, "sql": "SELECT 7"})
    (result,) = stream.ask({"type": "execute", "stmt": {"sql_id": 7}})
    assert plain(result["response"]["result"]) == [[7]]
    stream.ask({"type": "sequence", "sql_id": 7}, {"type": "describe", "sql_id": 7})
    stream.ask({"type": "close_sql", "sql_id": 7})

    body = {"baton": stream.baton, "requests": [{"type": "execute", "stmt": {"sql_id": 7}}]}
    assert client.send("/v3/pipeline", body)[0] == 400


def test_a_sequence_stops_at_the_first_error_and_keeps_what_was_done(client: Client) -> None:
    (first, second) = results(
        client,
        {"type": "sequence", "sql": "CREATE TABLE t (n); -- c;\n;INSERT INTO t VALUES (';');"},
        {"type": "sequence", "sql": "DELETE FROM t; SELECT nothing; DROP TABLE t"},
    )
    assert first == {"type": "ok", "response": {"type": "sequence"}}
    assert second["type"] == "error"
    assert client.rows("SELECT count(*) FROM t") == [[0]]


def test_describe_says_what_a_statement_takes_and_gives(client: Client) -> None:
    results(client, execute("CREATE TABLE t (a INTEGER)"))
    described = response(client, {"type": "describe", "sql": "SELECT a FROM t WHERE a > :x OR ?"})
    assert described["result"] == {
        "params": [{"name": ":x"}, {"name": None}],
        "cols": [{"name": "a", "decltype": "INTEGER"}],
        "is_explain": False,
        "is_readonly": True,
    }
    for sql, explain, readonly in (
        ("EXPLAIN SELECT 1", True, True),
        ("DELETE FROM t", False, False),
        ("BEGIN", False, True),
    ):
        result = response(client, {"type": "describe", "sql": sql})["result"]
        assert (result["is_explain"], result["is_readonly"]) == (explain, readonly)


def test_describe_sees_what_the_open_transaction_has_made(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("CREATE TABLE made (x TEXT)")
    (result,) = stream.ask({"type": "describe", "sql": "SELECT x FROM made"})
    assert result["response"]["result"]["cols"] == [{"name": "x", "decltype": "TEXT"}]


def test_get_autocommit_follows_the_transaction(client: Client) -> None:
    asked = {"type": "get_autocommit"}
    said = results(client, asked, execute("BEGIN"), asked, execute("COMMIT"), asked)
    assert [one["response"].get("is_autocommit") for one in said] == [True, None, False, None, True]
