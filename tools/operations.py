"""The operations of the HTTP API, for its OpenAPI document."""

from typing import Any

from events import http, url

REFERENCES = "#/components/schemas/{model}"


def _operation(summary: str, *, idempotent: bool) -> dict[str, Any]:
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "As idempotency_key in the body.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }
    position = {
        "name": "Sqlatch-At-Least",
        "in": "header",
        "required": False,
        "description": "As at_least in the body.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    }
    statuses: dict[int, list[str]] = {}
    for code, status in sorted(http.STATUS.items()):
        statuses.setdefault(status, []).append(code)
    return {
        "summary": summary,
        "parameters": [key, position] if idempotent else [position],
        "requestBody": {"required": True, "content": _json("Request")},
        "responses": {
            "200": {
                "description": "What the statements gave.",
                "headers": {"Sqlatch-Position": POSITION_HEADER},
                "content": _json("Reply"),
            },
            **{
                str(status): {"description": ", ".join(codes), "content": _json("Error")}
                for status, codes in sorted(statuses.items())
            },
        },
    }


def in_url(*left_out: str) -> dict[str, Any]:
    """Return the operation of a read in a URL, without some of its fields."""
    read = _operation("Read, in a way that caches understand.", idempotent=False)
    del read["requestBody"]
    read["parameters"] += [_in_query(name) for name in url.FIELDS if name not in left_out]
    read["parameters"].append(IF_NONE_MATCH)
    read["responses"]["200"]["headers"] |= CACHING_HEADERS
    read["responses"]["304"] = {
        "description": "The answer of such an ETag is still right.",
        "headers": CACHING_HEADERS,
    }
    return read


def _in_query(name: str) -> dict[str, Any]:
    """Return a field of the request as a parameter of the URL; `parameters` as JSON in it."""
    place = {"name": name, "in": "query", "required": name == "query"}
    if name == "parameters":
        return {**place, "content": _json("Parameters")}
    return {**place, "schema": {"$ref": f"#/components/schemas/Request/properties/{name}"}}


def health() -> dict[str, Any]:
    return {
        "summary": "Tell how the service is.",
        "responses": {
            "200": {"description": "It is well.", "content": _json("Health")},
            "401": {"description": "UNAUTHORIZED", "content": _json("Error")},
            "503": {"description": "It is degraded.", "content": _json("Health")},
        },
    }


DATABASE = {
    "name": "database",
    "in": "path",
    "required": True,
    "description": "The database of the request, which the body may leave out.",
    "schema": {"$ref": "#/components/schemas/Request/properties/database"},
}


IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETags of the answers that the caller has.",
    "schema": {"type": "string"},
}
CACHING_HEADERS = {
    name: {"description": description, "schema": {"type": "string"}}
    for name, description in {
        "ETag": "Not there where the answer follows from more than the database and the request.",
        "Cache-Control": "How long the answer may be kept, by max_age_ms.",
        "Vary": "The headers of a request that make its answer another one.",
    }.items()
}


POSITION_HEADER = {
    "description": "As meta.position; not there where databases are files.",
    "schema": {"type": "string"},
}


def reference(model: str) -> dict[str, Any]:
    return {"$ref": REFERENCES.format(model=model)}


def _json(model: str) -> dict[str, Any]:
    return {"application/json": {"schema": reference(model)}}


QUERY = _operation("Read or write.", idempotent=True)
READ = _operation("Read; what would write is refused.", idempotent=False)
