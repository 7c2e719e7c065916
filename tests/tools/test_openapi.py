"""The OpenAPI document: of the code as it is, and what breaks callers is seen."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest

from events.http import ROUTES, STATUS
from tests.cloudformation import ROOT
from tests.conftest import Ask
from tools import openapi

PUBLISHED = json.loads((ROOT / "docs" / "openapi.json").read_text())
BODIES = [
    path for path in sorted((ROOT / "events" / "samples").glob("*.json"))
    if ("query" in (body := json.loads(path.read_text())) or "statements" in body)
    and path.stem != "15-bad-event"
]  # fmt: skip


def check(instance: Any, model: str) -> None:
    components = {"components": PUBLISHED["components"]}
    jsonschema.Draft202012Validator(
        {**components, "$ref": f"#/components/schemas/{model}"}
    ).validate(instance)


def test_the_published_document_is_that_of_the_code() -> None:
    assert openapi.document() == PUBLISHED, "python -m tools.openapi docs/openapi.json"


def test_it_is_openapi() -> None:
    openapi_spec_validator.validate(PUBLISHED)


def test_it_has_every_route() -> None:
    methods = {
        path: {name.upper() for name in item if name != "parameters"}
        for path, item in PUBLISHED["paths"].items()
    }

    assert methods == {path: set(methods) for path, methods in ROUTES.items()}


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_every_sample_is_a_request_of_it(path: Path) -> None:
    check(json.loads(path.read_text()), "Request")


@pytest.mark.parametrize(
    "request_", [{"query": "SELECT 1 AS a, x'00' AS b, 9e999 AS c"},
                 {"query": "SELECT 1 AS a", "rows_as": "objects", "rows_max": 1},
                 {"statements": [{"query": "CREATE TABLE t (n)"},
                                 {"query": "INSERT INTO t VALUES (?)", "parameter_sets": [[1]]}]}],
)  # fmt: skip
def test_what_the_service_answers_is_a_reply_of_it(ask: Ask, request_: dict[str, Any]) -> None:
    ask(query="CREATE TABLE first (n)")

    check(request_, "Request")
    check(ask(request_), "Reply")


def test_health_is_health_of_it(ask: Ask) -> None:
    check(ask(health=True), "Health")


@pytest.mark.parametrize(
    "wrong",
    [{"query": 1}, {"query": "SELECT 1", "paramters": []}, {"query": "SELECT 1", "rows_max": 0},
     {"query": "SELECT 1", "database": "Main"}, {"query": "SELECT ?", "parameters": [[1]]}],
)  # fmt: skip
def test_what_the_service_refuses_is_no_request_of_it(refused: Ask, wrong: dict[str, Any]) -> None:
    error = refused(wrong)

    check({"error": error}, "Error")
    with pytest.raises(jsonschema.ValidationError):
        check(wrong, "Request")


def test_every_code_has_its_status() -> None:
    responses = PUBLISHED["paths"]["/query"]["post"]["responses"]

    for code, status in STATUS.items():
        assert code in responses[str(status)]["description"].split(", ")


def _drop_field(schemas: dict[str, Any]) -> None:
    del schemas["Request"]["properties"]["rows_max"]


def _require(schemas: dict[str, Any]) -> None:
    schemas["Request"]["required"] = ["database"]


def _lower(schemas: dict[str, Any]) -> None:
    schemas["Request"]["properties"]["database"]["pattern"] = "^[a-z]+$"


def _rename_in_reply(schemas: dict[str, Any]) -> None:
    properties = schemas["ResultReply"]["properties"]
    properties["lastInsertRowid"] = properties.pop("last_insert_rowid")


def _other_type(schemas: dict[str, Any]) -> None:
    schemas["Meta"]["properties"]["duration_ms"] = {"type": "string"}


def _lose_a_code(schemas: dict[str, Any]) -> None:
    schemas["Error"]["properties"]["error"]["properties"]["code"]["enum"].remove("TIMEOUT")


@pytest.mark.parametrize(
    "change", [_drop_field, _require, _lower, _rename_in_reply, _other_type, _lose_a_code]
)
def test_what_breaks_callers_is_seen(change: Callable[[dict[str, Any]], None]) -> None:
    changed = copy.deepcopy(PUBLISHED)
    change(changed["components"]["schemas"])

    assert list(openapi.breaking(PUBLISHED, changed))


def test_what_is_added_breaks_nobody() -> None:
    added = copy.deepcopy(PUBLISHED)
    schemas = added["components"]["schemas"]
    schemas["Request"]["properties"]["new"] = {"type": "string"}
    schemas["Meta"]["properties"]["position"] = {"type": "string"}
    schemas["Error"]["properties"]["error"]["properties"]["code"]["enum"].append("NEW")
    added["info"]["version"] = "99"

    assert list(openapi.breaking(PUBLISHED, added)) == []


def test_a_document_that_breaks_callers_is_written_only_if_told(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    older = copy.deepcopy(PUBLISHED)
    older["components"]["schemas"]["Request"]["properties"]["sql"] = {"type": "string"}
    path.write_text(json.dumps(older))

    with pytest.raises(SystemExit, match="Request/properties/sql is gone"):
        openapi.main([str(path)])
    assert json.loads(path.read_text()) == older
    openapi.main(["--breaking", str(path)])
    assert json.loads(path.read_text()) == PUBLISHED
