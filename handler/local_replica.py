"""The process behind `sqlatch export --litestream` and `sqlatch import`."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

from handler.nodes.right import not_sent_on, right_of
from handler.record import Record
from handler.service import Service
from handler.settings import Settings, SettingsError
from sqlatch.kernel.errors import SqlatchError
from storage.engine import Grant, position_text

ASK_S = 600.0
"""The time in which the log has to answer; the files of a database may take longer."""


def main(arguments: Sequence[str]) -> int:
    """Do it, and write the position of the last state, or why there is none, as JSON."""
    what, name, directory = arguments
    try:
        service = Service(Settings.from_environment(os.environ))
        done = {"export": exported, "import": imported}[what](service, name, Path(directory))
    except (SettingsError, SqlatchError) as error:
        message = error.message if isinstance(error, SqlatchError) else str(error)
        print(json.dumps({"message": message}))
        return 1
    print(json.dumps(done))
    return 0


def exported(service: Service, name: str, directory: Path) -> dict[str, Any]:
    position = service.databases.export(name, directory, service.clock.now() + ASK_S)
    return {"position": position_text(position)}


def imported(service: Service, name: str, directory: Path) -> dict[str, Any]:
    record = Record(function_request_id=str(uuid4()), door="local")

    def granted(deadline_s: float) -> AbstractContextManager[Grant]:
        return service.writing(name, record, deadline_s)

    with not_sent_on("imports no database"), right_of(service, record):
        position = service.databases.replay(name, directory, granted)
    return {"position": position_text(position)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
