"""`sqlatch top`: the statements that take the most, from the service's log lines."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import click

SHAPES_MAX = 10_000
"""Shapes that are counted; a service with more has texts that are made anew each time."""

ORDERS = ("time", "count", "rows")


@dataclass(slots=True)
class Total:
    """The counts of one shape in one database."""

    database: str
    fingerprint: str
    sql: str
    count: int = 0
    duration_ms: float = 0.0
    rows_scanned: int = 0


@click.command()
@click.option("-n", "--lines", default=20, show_default=True, help="The most shapes to show.")
@click.option(
    "--by", type=click.Choice(ORDERS), default="time", show_default=True,
    help="The order: time in all, how often, or rows scanned.",
)  # fmt: skip
@click.argument("log", type=click.File(encoding="utf-8", errors="replace"), default="-")
def top(*, lines: int, by: str, log: Iterable[str]) -> None:
    """Show which statements take the most, by their shape: without values.

    LOG has the service's lines as JSON, `-` is standard input. What stands before the JSON, and
    lines that are none, are passed over.
    """
    totals = sorted(totals_of(log), key=_order(by), reverse=True)
    sys.stdout.write(f"{'calls':>8} {'ms':>10} {'ms/call':>9} {'scanned':>10}  statement\n")
    for total in totals[:lines]:
        mean_ms = total.duration_ms / max(1, total.count)
        sys.stdout.write(
            f"{total.count:>8} {total.duration_ms:>10.1f} {mean_ms:>9.2f} {total.rows_scanned:>10}"
            f"  {total.database} {total.fingerprint} {total.sql}\n"
        )


def totals_of(lines: Iterable[str]) -> list[Total]:
    """Return the counts of each shape in each database."""
    found: dict[tuple[str, str], Total] = {}
    for database, shape in _shapes(lines):
        try:
            name = (database, str(shape["fingerprint"]))
            if name not in found and len(found) >= SHAPES_MAX:
                name = (database, "")
            total = found.setdefault(
                name, Total(*name, str(shape["sql"]) if name[1] else "(others)")
            )
            total.count += int(shape["count"])
            total.duration_ms += float(shape["duration_ms"])
            total.rows_scanned += int(shape["rows_scanned"])
        except (KeyError, TypeError, ValueError):
            continue
    return list(found.values())


def _shapes(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in lines:
        try:
            said = json.loads(line[line.index("{") :])
        except ValueError:
            continue
        if isinstance(said, dict) and isinstance(said.get("shapes"), list):
            for shape in said["shapes"]:
                yield str(said.get("database") or "(several)"), shape


def _order(by: str) -> Any:
    return {
        "time": lambda total: total.duration_ms,
        "count": lambda total: total.count,
        "rows": lambda total: total.rows_scanned,
    }[by]
