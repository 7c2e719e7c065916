"""Dates in SQL: what Django has functions of its own for, in those that SQLite has.

A date, time or moment is a text as Django stores it. A percent sign is doubled, since the SQL is
formatted once more.
"""

from typing import Any

from django.db import OperationalError

from sqlatch.django.remote.zones import converted

Sql = tuple[str, tuple[Any, ...]]

EXTRACTED = {
    "year": "CAST(strftime('%%Y', {at}) AS INTEGER)",
    "iso_year": "CAST(strftime('%%G', {at}) AS INTEGER)",
    "quarter": "(strftime('%%m', {at}) + 2) / 3",
    "month": "CAST(strftime('%%m', {at}) AS INTEGER)",
    "week": "CAST(strftime('%%V', {at}) AS INTEGER)",
    "week_day": "(strftime('%%w', {at}) + 1)",
    "iso_week_day": "CAST(strftime('%%u', {at}) AS INTEGER)",
    "day": "CAST(strftime('%%d', {at}) AS INTEGER)",
    "hour": "CAST(strftime('%%H', {at}) AS INTEGER)",
    "minute": "CAST(strftime('%%M', {at}) AS INTEGER)",
    "second": "CAST(strftime('%%S', {at}) AS INTEGER)",
}
DATES = {
    "year": "strftime('%%Y-01-01', {at})",
    "quarter": "date({at}, 'start of month', ((1 - strftime('%%m', {at})) %% 3) || ' months')",
    "month": "strftime('%%Y-%%m-01', {at})",
    "week": "date({at}, '-6 days', 'weekday 1')",
    "day": "date({at})",
}
TIMES = {
    "hour": "strftime('%%H:00:00', {at})",
    "minute": "strftime('%%H:%%M:00', {at})",
    "second": "strftime('%%H:%%M:%%S', {at})",
}
MOMENTS = {kind: f"({body} || ' 00:00:00')" for kind, body in DATES.items()} | {
    "hour": "strftime('%%Y-%%m-%%d %%H:00:00', {at})",
    "minute": "strftime('%%Y-%%m-%%d %%H:%%M:00', {at})",
    "second": "strftime('%%Y-%%m-%%d %%H:%%M:%%S', {at})",
}
DATE_OF_MOMENT = "date({at})"

MICROSECONDS = (
    "(unixepoch({at}) * 1000000"
    " + CAST(substr(substr({at}, instr({at} || '.', '.') + 1) || '000000', 1, 6) AS INTEGER))"
)


def of_kind(bodies: dict[str, str], kind: str) -> str:
    """Return the body for a kind of extraction or truncation; OperationalError if it is unknown."""
    try:
        return bodies[kind.lower()]
    except KeyError:
        raise OperationalError(
            f"Unsupported lookup type: {kind!r}; there are {', '.join(bodies)}"
        ) from None


def of_moment(body: str, sql: str, params: tuple[Any, ...], zones: tuple[Any, Any]) -> Sql:
    """The body, of a moment in a zone."""
    local = converted("at", *zones)
    if local == "at":
        return in_place(body, sql, params)
    inner = f"SELECT {local} AS at FROM (SELECT {sql} AS at)"
    return f"(SELECT {body.format(at='at')} FROM ({inner}))", params


def time_of_moment(sql: str, params: tuple[Any, ...], zones: tuple[Any, Any]) -> Sql:
    """The time of day, with its microseconds."""
    local = converted("at", *zones)
    if local == "at":
        return f"substr({sql}, 12)", params
    return f"(SELECT time({local}) || substr(at, 20) FROM (SELECT {sql} AS at))", params


def in_place(body: str, sql: str, params: tuple[Any, ...]) -> Sql:
    """The body with the SQL where it is meant, as often as that is.

    Not in a subquery, which may not stand in an index or a CHECK.
    """
    return body.replace("{at}", sql), params * body.count("{at}")


def difference(left: Sql, right: Sql) -> Sql:
    """Microseconds between two dates, moments or times."""
    (left_sql, left_params), (right_sql, right_params) = (
        in_place(MICROSECONDS, *one) for one in (left, right)
    )
    return f"({left_sql} - {right_sql})", (*left_params, *right_params)


def duration_arithmetic(connector: str, left: str, right: str) -> str:
    """A duration, which is a number of microseconds, and a moment, a date or a number.

    The names are to be none of a column: one of a table further out would not be hidden.
    """
    if connector == "*":
        body = "dur_l * dur_r"
    elif connector == "/":
        body = "dur_l * 1.0 / dur_r"
    else:
        body = (
            f"CASE WHEN typeof(dur_l) = 'text' THEN {_moved('dur_l', connector, 'dur_r')}"
            f" WHEN typeof(dur_r) = 'text' THEN {_moved('dur_r', connector, 'dur_l')}"
            f" ELSE dur_l {connector} dur_r END"
        )
    return f"(SELECT {body} FROM (SELECT {left} AS dur_l, {right} AS dur_r))"


def _moved(at: str, connector: str, duration: str) -> str:
    """Whole days move a date; a moment is told to the microsecond, if it has a fraction."""
    days = f"({connector}CAST(floor({duration} / 86400000000.0) AS INTEGER))"
    return (
        f"CASE WHEN length({at}) = 10 THEN date({at}, {days} || ' days') ELSE"
        " (SELECT strftime('%%Y-%%m-%%d %%H:%%M:%%S', whole, 'unixepoch')"
        " || CASE WHEN rest THEN printf('.%%06d', rest) ELSE '' END"
        " FROM (SELECT total / 1000000 - (total %% 1000000 < 0) AS whole,"
        " (total %% 1000000 + 1000000) %% 1000000 AS rest"
        f" FROM (SELECT {MICROSECONDS.format(at=at)} {connector} {duration} AS total))) END"
    )
