"""The query function with a fault at its commit: `stall` until it is killed, or `exit` at once.

    {"fault": "stall", "event": {"query": ...}}

The pages are in the file by then and the journal is hot, as in the midst of SQLite's own commit.
"""

import os
import time
from typing import Any, NoReturn

from handler import query
from storage.connection import Session
from storage.inplace.store import Store


def _stall(_store: Store, session: Session) -> NoReturn:
    session.connection.cache_flush()
    while True:
        time.sleep(1)


def _exit(_store: Store, session: Session) -> NoReturn:
    session.connection.cache_flush()
    os._exit(1)


def _spilling(store: Store, *arguments: Any, **options: Any) -> Session:
    """The service spills no pages before its commit, and SQLite would ignore a flush."""
    session = WRITING(store, *arguments, **options)
    session.run("PRAGMA cache_spill = ON")
    return session


WRITING = Store._writing
FAULTS = {"stall": _stall, "exit": _exit}


def lambda_handler(event: Any, context: Any) -> Any:
    if "fault" in event:
        Store._commit = FAULTS[event["fault"]]  # type: ignore[assignment]
        Store._writing = _spilling  # type: ignore[assignment]
        event = event["event"]
    return query.lambda_handler(event, context)
