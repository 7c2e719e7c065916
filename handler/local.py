"""The same handler on your machine: `invoke FILE...` runs test events, `serve` serves HTTP."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from handler import query, reaper
from handler.query import Door, door_of
from handler.service import engine_of
from handler.settings import Settings, SettingsError
from sqlatch.kernel.errors import SqlatchError

TIMEOUT_S = 29.0
"""Of a local invocation: what the template gives the function."""

TOKEN_S = 30 * 86_400

DIRECTORY = "databases"


@dataclass(slots=True)
class LocalContext:
    """The context that Lambda passes beside the event."""

    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    ends_at_s: float = field(default_factory=lambda: time.monotonic() + TIMEOUT_S)

    def get_remaining_time_in_millis(self) -> int:
        return int((self.ends_at_s - time.monotonic()) * 1000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 1 if a function raised, or if there is nothing to serve."""
    options = _options(arguments)
    if not {"SQLATCH_DATABASES", "SQLATCH_LOG"} & os.environ.keys():
        Path(DIRECTORY).mkdir(exist_ok=True)
        os.environ["SQLATCH_DATABASES"] = DIRECTORY
    if options.command == "serve":
        if problem := _problem():
            print(f"nothing is served: {problem}", file=sys.stderr)
            return 1
        serve(options.port, origins=options.origin)
        return 0
    return max([_invoke_file(path) for path in options.files])


def invoke(event: Any) -> dict[str, Any]:
    """Call the function that this event is for; return its answer, or raise its error."""
    if door_of(event) is Door.SCHEDULE:
        return reaper.lambda_handler(event, LocalContext())
    return query.lambda_handler(event, LocalContext())


def serve(port: int, *, origins: Sequence[str] = ()) -> None:
    """Serve the HTTP door on 127.0.0.1 until interrupted."""
    from handler.local_server import make_server

    token = _token()
    server = make_server(port, origins=origins)
    url = f"http://127.0.0.1:{server.server_port}"
    print(f"{url} (POST /query, POST /read, GET /health; libSQL clients: {url}/main/)", flush=True)
    if token is not None:
        print(f"token for libSQL clients, until this ends: {token}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def _problem() -> str | None:
    """Return what is wrong with the settings or with the place of the databases."""
    try:
        engine_of(Settings.from_environment(os.environ)).sizes_bytes()
    except SqlatchError as error:
        return error.message
    except SettingsError as error:
        return str(error)
    return None


def _token() -> str | None:
    """A token for every database, by a key made for it; None if keys are set already."""
    if os.environ.get("SQLATCH_TOKEN_KEYS"):
        return None
    from sqlatch.tokens import new_key, sign

    private, os.environ["SQLATCH_TOKEN_KEYS"] = new_key()
    return sign(private, access="rw", databases="*", lifetime_s=TOKEN_S)


def _invoke_file(path: Path) -> int:
    """Print what a function answers to the event in a file, as Lambda would show it."""
    try:
        event = json.loads(path.read_bytes())
        answer = invoke(event)
    except Exception as error:
        answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
        status = 1
    else:
        status = 0
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    return status


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m handler.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("invoke", help="run events from files, in order")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE")
    command = commands.add_parser("serve", help="serve the HTTP door on 127.0.0.1")
    command.add_argument("--port", type=int, default=8000)
    command.add_argument(
        "--origin", action="append", default=[], metavar="URL",
        help="let the pages of this origin call it, as http://localhost:5173; repeatable",
    )  # fmt: skip
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
