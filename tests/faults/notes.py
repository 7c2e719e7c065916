"""The notes of a process, written as things happen, so that they are known if it is killed."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened in a process, in epoch seconds; the facts hang on the kind."""

    pid: int
    kind: str
    at_s: float
    facts: dict[str, Any]


class Notebook:
    """The notes of this process. Each is one write(2): a kill leaves it whole, or not there."""

    def __init__(self, directory: Path) -> None:
        path = directory / f"{os.getpid()}.jsonl"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, kind: str, **facts: Any) -> None:
        line = json.dumps([kind, time.time(), facts]) + "\n"
        os.write(self._descriptor, line.encode())


def read_notes(directory: Path) -> Iterator[Note]:
    """The notes of all processes, in the order of time within each."""
    for path in sorted(directory.glob("*.jsonl")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                kind, at_s, facts = json.loads(line)
                yield Note(int(path.stem), kind, at_s, facts)
