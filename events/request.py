"""The request: a query event as callers write it, parsed into frozen dataclasses or refused."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, get_args

from events import schema
from events.fields import AT_LEAST, DATABASE, MOMENT, PAGE, POSITION, TIMEOUT_MS
from events.values import parameter_sets_in, parameters_in
from events.whole import KINDS, BranchEvent, HealthEvent, HistoryEvent, LeaderEvent, ManageEvent
from sqlatch.kernel.errors import BadEvent
from sqlatch.kernel.hints import did_you_mean

STATEMENTS_MAX = 1_000
PARAMETER_SETS_MAX = 1_000_000
SQL_CHARACTERS_MAX = 1_000_000
ROWS_MAX = 1_000_000_000
AGE_MS_MAX = 24 * 3600 * 1000
PROBLEMS_SHOWN_MAX = 5

LinkForm = Literal["csv", "csv.gz", "jsonl", "jsonl.gz"]
"""The forms of a file with a whole result, which are also the ends of its name."""

NO_POSITION = "is not a position: 16 digits, 0 to 9 and a to f, as `meta.position` of a reply"

OTHER_NAMES = {
    "sql": "query", "statement": "query", "stmt": "query", "args": "parameters",
    "arguments": "parameters", "bindings": "parameters", "values": "parameters", "db": "database",
}  # fmt: skip
"""Fields as others call them."""


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


def _without_controls(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a character that cannot be printed")
    return text


def _parameter_sets(given: object) -> Sequence[Any] | None:
    sets: Sequence[Any] | None = parameter_sets_in(given)
    if sets is not None and len(sets) > PARAMETER_SETS_MAX:
        raise ValueError(
            f"has {len(sets):,} sets, the limit is {PARAMETER_SETS_MAX:,}: send several requests"
        )
    return sets


@dataclass(frozen=True, slots=True)
class StatementEvent:
    """One statement; a list of values is for `?`, an object for `:name`, `@name` and `$name`."""

    query: str
    parameters: Any = None
    parameter_sets: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        _refuse_both(self.parameters, self.parameter_sets)


@dataclass(frozen=True, slots=True)
class QueryEvent:
    """One request: exactly one of `query` and `statements`. `timeout_ms` is for the whole of it.

    `at_least` is a position, the number in its text. With `page` the result comes in pages: it is
    "first", or `next` of the page before. `at` is the moment of the past that is read. With `link`
    it is a file of that form in a bucket. With `costs` each result says what it has cost.
    """

    query: str | None = None
    parameters: Any = None
    parameter_sets: Sequence[Any] | None = None
    statements: tuple[StatementEvent, ...] | None = None
    database: str = "main"
    read_only: bool = False
    idempotency_key: str | None = None
    rows_as: Literal["arrays", "objects"] = "arrays"
    rows_max: int | None = None
    timeout_ms: int | None = None
    at_least: int | None = None
    max_age_ms: int | None = None
    page: str | None = None
    at: int | datetime | None = None
    link: LinkForm | None = None
    costs: bool = False


Request = QueryEvent | HealthEvent | ManageEvent | HistoryEvent | BranchEvent | LeaderEvent


def _query_event(found: dict[str, Any]) -> QueryEvent:
    event = QueryEvent(**found)
    if (event.query is None) == (event.statements is None):
        raise ValueError("give exactly one of `query` and `statements`")
    if event.parameters is not None or event.parameter_sets is not None:
        if event.query is None:
            raise ValueError(
                "`parameters` and `parameter_sets` stand beside the `query` that they are for,"
                " within `statements`"
            )
        _refuse_both(event.parameters, event.parameter_sets)
    for name, (others, said) in _NOT_WITH.items():
        if getattr(event, name) is not None:
            for other in others:
                if getattr(event, other) is not None:
                    raise ValueError(f"{said} `{other}`")
    if event.link is not None and event.rows_as != "arrays":
        raise ValueError("`rows_as` is for rows in the reply, and with `link` they are in a file")
    return event


_NOT_WITH = {
    "page": (
        ("statements", "parameter_sets", "idempotency_key", "max_age_ms"),
        "`page` is for one `query` that reads the newest state or one of the past, not for",
    ),
    "at": (
        ("at_least", "max_age_ms", "idempotency_key"),
        "`at` reads one state of the past, and has no use for",
    ),
    "link": (
        ("statements", "parameter_sets", "idempotency_key", "page"),
        "`link` is for one `query` that reads, not for",
    ),
}
"""Fields, those that they do not go together with, and why."""


def _refuse_both(parameters: object, parameter_sets: object) -> None:
    if parameters is not None and parameter_sets is not None:
        raise ValueError("give `parameters` or `parameter_sets`, not both")


_SQL = schema.then(_without_nul, schema.text(min_length=1, max_length=SQL_CHARACTERS_MAX))
_PARAMETERS = {
    "parameters": schema.made_by(parameters_in),
    "parameter_sets": schema.made_by(_parameter_sets),
}
_STATEMENT = schema.object_of(StatementEvent, query=_SQL, **_PARAMETERS)
KEY = schema.nullable(schema.then(_without_controls, schema.text(min_length=1, max_length=255)))

QUERY = schema.object_of(
    QueryEvent,
    _query_event,
    query=schema.nullable(_SQL),
    **_PARAMETERS,
    statements=schema.nullable(
        schema.tuple_of(_STATEMENT, min_length=1, max_length=STATEMENTS_MAX)
    ),
    database=DATABASE,
    read_only=schema.boolean(),
    idempotency_key=KEY,
    rows_as=schema.one_of(["arrays", "objects"]),
    rows_max=schema.nullable(schema.integer(ge=1, le=ROWS_MAX)),
    timeout_ms=TIMEOUT_MS,
    at_least=schema.nullable(AT_LEAST),
    max_age_ms=schema.nullable(schema.integer(ge=0, le=AGE_MS_MAX)),
    page=PAGE,
    at=schema.nullable(MOMENT),
    link=schema.nullable(schema.one_of(list(get_args(LinkForm)))),
    costs=schema.boolean(),
)
_parse_query = schema.parser_by(QUERY, strict=True)
_parse_position = schema.parser_by(AT_LEAST, strict=True)


def parse(event: object) -> Request:
    """The request in an event; BadEvent says which field is wrong, and why."""
    kind, parse_it = _QUERIES
    if isinstance(event, dict):
        kind, parse_it = next((KINDS[name] for name in KINDS if name in event), _QUERIES)
    try:
        request: Request = parse_it(event)
    except schema.ValidationError as error:
        raise bad_event(error, kind) from error
    return request


_QUERIES: tuple[type, Any] = (QueryEvent, _parse_query)


def position_in(text: str) -> int:
    """Return the number in the text of a position; BadEvent."""
    try:
        number: int = _parse_position(text)
    except schema.ValidationError as error:
        raise BadEvent(f"{text!r} {NO_POSITION}", field="at_least") from error
    return number


def bad_event(error: schema.ValidationError, kind: type) -> BadEvent:
    """Return the refusal of an event that should be of that kind, its problems in one text."""
    problems = [(_place(problem["loc"]), _reason(problem, kind)) for problem in error.errors()]
    shown = [f"{place}: {reason}" if place else reason for place, reason in problems]
    return BadEvent("; ".join(shown[:PROBLEMS_SHOWN_MAX]), field=problems[0][0] or None)


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _reason(problem: Any, kind: type) -> str:
    """Return what is wrong in one place of an event of that kind, and the limit that holds."""
    bounds, given = problem.get("ctx", {}), problem.get("input")
    if problem["type"] == "extra_forbidden":
        *outer, name = problem["loc"]
        known = [field.name for field in fields(StatementEvent if outer else kind)]
        meant = OTHER_NAMES.get(str(name), "")
        hint = f"; did you mean {meant}?" if meant in known else did_you_mean(str(name), known)
        return f"is not a field of a {'statement' if outer else 'request'}{hint}"
    if problem["type"] == "string_pattern_mismatch" and bounds["pattern"] == POSITION["pattern"]:
        return NO_POSITION
    if problem["type"] == "string_pattern_mismatch":
        return (
            "is not the name of a database: a to z, 0 to 9, - and _, not beginning with - or _, 63"
            " characters at most"
        )
    if problem["type"] == "string_too_long":
        return f"has {len(given):,} characters, the limit is {bounds['max_length']:,}"
    if problem["type"] == "too_long":
        most = bounds["max_length"]
        return f"has {len(given):,} items, the limit is {most:,}: send several requests"
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return reason if problem["type"] == "value_error" else reason[0].lower() + reason[1:]
