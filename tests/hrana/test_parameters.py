"""The names of parameters as the client wrote them, and the values that each of them gets."""

from typing import Any

import pytest

from hrana.parameters import bind, names_of
from hrana.protocol import Stmt
from hrana.refusals import StatementRefused
from tests.hrana.client import Client, execute, plain, response, results, stmt, value

NAMES: dict[str, tuple[list[str | None], list[str | None]]] = {
    "SELECT ?, :a, @b, $c": ([None, "a", "b", "c"], [None, ":a", "@b", "$c"]),
    "SELECT ?2, ?1": (["1", "2"], ["?1", "?2"]),
    "SELECT ?3": ([None, None, "3"], [None, None, "?3"]),
    "SELECT :a, :a": (["a"], [":a"]),
    "SELECT ':x', \"@y\", -- $z\n :a": (["a"], [":a"]),
    "SELECT $a::b(c)": (["a::b(c)"], ["$a::b(c)"]),
    "what is read here is not what SQLite read :x": (["y"], [":y"]),
}


@pytest.mark.parametrize("sql", NAMES)
def test_names_have_the_prefix_that_was_written(sql: str) -> None:
    bare, prefixed = NAMES[sql]

    assert names_of(sql, bare) == prefixed


def given_by(args: list[Any] | None = None, **named: Any) -> Stmt:
    values = [{"name": name, "value": integer(value)} for name, value in named.items()]
    return Stmt.model_validate({"args": [*map(integer, args or [])], "named_args": values})


def integer(value: int) -> dict[str, str]:
    return {"type": "integer", "value": str(value)}


def test_values_are_found_by_prefixed_name_by_bare_name_and_by_place() -> None:
    names = [":a", "@b", None]

    assert bind(names, given_by([1, 2, 3])) == [1, 2, 3]
    assert bind(names, given_by([1, 2, 3], **{"@b": 7})) == [1, 7, 3]
    assert bind(names, given_by([1, 2, 3], a=8, b=9)) == [8, 9, 3]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (given_by([1, 2, 3]), "the statement has 2 parameters, 3 were given"),
        (given_by([1]), "parameter 2 was not given"),
        (given_by([1, 2], coutn=1), "the statement has no parameter 'coutn'; did you mean :count?"),
    ],
)
def test_values_that_do_not_fit_are_refused(given: Stmt, why: str) -> None:
    with pytest.raises(StatementRefused) as refused:
        bind([":count", None], given)

    assert refused.value.body() == {"message": why, "code": "ARGS_INVALID"}


PARAMETERS: list[tuple[str, list[str | None]]] = [
    ("SELECT :a, @a, $a, :a", [":a", "@a", "$a"]),
    ("SELECT ?3, ?, ?2", [None, "?2", "?3", None]),
    ("SELECT ?2, :x, ?3", [None, "?2", ":x"]),
    ("SELECT $a::b(c), #d", ["$a::b(c)", "#d"]),
    ("SELECT ':a', \":b\", [:c], `:d` /* :e */ -- :f\n, x'00', m.\":b\", :é1 FROM made m", [":é1"]),
    ("SELECT 1e5, 1 AS n$x, 'it''s :a', :a", [":a"]),
]


@pytest.mark.parametrize(("sql", "names"), PARAMETERS)
def test_describe_keeps_the_prefix_of_parameter_names(
    client: Client, sql: str, names: list[str | None]
) -> None:
    results(client, execute('CREATE TABLE made (":b", ":c", ":d")'))

    described = response(client, {"type": "describe", "sql": sql})["result"]

    assert [one["name"] for one in described["params"]] == names


def test_a_statement_may_have_thousands_of_named_parameters(client: Client) -> None:
    names = [f":n{number}" for number in range(5_000)]
    given = {
        "type": "execute",
        "stmt": stmt(f"SELECT 1 IN ({','.join(names)})", args=[{"type": "null"}]),
    }

    (result,) = results(client, {"type": "describe", "sql": f"SELECT 1 IN ({','.join(names)})"})
    (refused,) = results(client, given)

    assert [one["name"] for one in result["response"]["result"]["params"]] == names
    assert refused["error"]["message"] == "parameter n1 was not given"


def test_parameters_that_only_their_prefix_tells_apart_get_their_own_values(client: Client) -> None:
    given = [{"name": name, "value": value(name)} for name in ("@a", ":a", "$a")]
    request = {"type": "execute", "stmt": stmt("SELECT :a, @a, $a", named_args=given)}
    assert plain(response(client, request)["result"]) == [[":a", "@a", "$a"]]

    both = {"type": "execute", "stmt": stmt("SELECT :a, @a", named_args=[given[0], bare("a")])}
    assert plain(response(client, both)["result"]) == [["a", "@a"]]
    wrong = {"type": "execute", "stmt": stmt("SELECT :price", named_args=[bare("prise")])}
    (refused,) = results(client, wrong)
    assert refused["error"] == {
        "message": "the statement has no parameter 'prise'; did you mean :price?",
        "code": "ARGS_INVALID",
    }


def bare(name: str) -> dict[str, Any]:
    return {"name": name, "value": value(name)}
