"""The walk of a warm request: functions, files, and changes of room of the project's own code.

These counts do not depend on the machine. A function passed twice counts once; a comprehension is
part of the function around it.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from benchmarks import data, service
from benchmarks.sampling import Tables
from benchmarks.workplace import Workplace

ROOT = Path(__file__).parent.parent
ROOMS = ("events", "handler", "hrana", "locking", "sqlatch", "sqlexec", "storage")
PARTS_OF_A_FUNCTION = frozenset({"<dictcomp>", "<genexpr>", "<listcomp>", "<setcomp>"})
WARM_UP = 3

DIRECT_READ = "direct read"
DIRECT_WRITE = "direct write"
LIBSQL_READ = "libSQL read"
LIBSQL_WRITE = "libSQL write"

Invoke = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Walk:
    """The functions that were passed, each time in order."""

    calls: tuple[CodeType, ...]

    @property
    def functions(self) -> list[str]:
        """Each function once, as `file:function`, in the order in which it was first passed."""
        return [f"{_file(code)}:{code.co_qualname}" for code in dict.fromkeys(self.calls)]

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(map(_file, self.calls)))

    @property
    def room_changes(self) -> int:
        rooms = [_file(code).partition("/")[0] for code in self.calls]
        return sum(before != after for before, after in pairwise(rooms))


def by_profile(work: Workplace) -> Tables:
    """The walk of each kind of warm request."""
    subject = service.open_subject(work.copy())
    subject.write(0)
    walks = walks_of(subject.invoke)
    subject.close()
    return {
        "walk_functions": {name: [float(len(walk.functions))] for name, walk in walks.items()},
        "walk_files": {name: [float(len(walk.files))] for name, walk in walks.items()},
        "walk_rooms": {name: [float(walk.room_changes)] for name, walk in walks.items()},
    }


def walks_of(invoke: Invoke) -> dict[str, Walk]:
    """The walk of each kind of request through a function that has the table of `data`."""
    return {name: _walk(partial(invoke, event)) for name, event in _requests().items()}


def _requests() -> dict[str, dict[str, Any]]:
    row = data.row_of(1)
    name, size, weight, note = data.values_of(1)
    args = [_text(name), _integer(size), {"type": "float", "value": weight}, _text(note)]
    return {
        DIRECT_READ: {"query": data.READ, "parameters": [row]},
        DIRECT_WRITE: {"query": data.WRITE, "parameters": [name, size, weight, note]},
        LIBSQL_READ: _pipeline(data.READ, [_integer(row)]),
        LIBSQL_WRITE: _pipeline(data.WRITE, args),
    }


def _pipeline(sql: str, args: list[dict[str, Any]]) -> dict[str, Any]:
    execute = {"type": "execute", "stmt": {"sql": sql, "args": args}}
    return {"pipeline": {"requests": [execute, {"type": "close"}]}}


def _text(value: str) -> dict[str, Any]:
    return {"type": "text", "value": value}


def _integer(value: int) -> dict[str, Any]:
    return {"type": "integer", "value": str(value)}


def _walk(action: Callable[[], object]) -> Walk:
    for _turn in range(WARM_UP):
        action()
    calls: list[CodeType] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        # A generator is called each time it goes on.
        if event == "call" and _is_own(frame.f_code):
            calls.append(frame.f_code)

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return Walk(tuple(calls))


def _is_own(code: CodeType) -> bool:
    return (
        code.co_filename.startswith(f"{ROOT}/")
        and _file(code).partition("/")[0] in ROOMS
        and code.co_name not in PARTS_OF_A_FUNCTION
    )


def _file(code: CodeType) -> str:
    return code.co_filename.removeprefix(f"{ROOT}/")
