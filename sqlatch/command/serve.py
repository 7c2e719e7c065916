"""`sqlatch serve`: the service on this machine, for programs of this machine."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlatch.command.exits import Exit, Failure
from sqlatch.kernel.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlatch.server.gateway import Answer, Event
    from sqlatch.server.http import Server

NEEDED = ("apsw", "jwt", "pydantic_core", "waitress")
DIRECTORY = "databases"
IN_A_DIRECTORY = "directory:"
LOOPBACK = "127.0.0.1"
WORKERS = 8
WORKERS_MAX = 64
REAP_EVERY_MIN = 1.0
"""As on AWS."""


@click.command()
@click.option(
    "--databases", type=click.Path(file_okay=False), metavar="DIR",
    help=f"Keep databases as files in this directory; $SQLATCH_DATABASES or {DIRECTORY} unless"
    " told.",
)  # fmt: skip
@click.option(
    "--log", metavar="ADDRESS",
    help="Keep them as logs: directory:DIR or dynamodb:TABLE,s3://BUCKET/PREFIX; or $SQLATCH_LOG.",
)  # fmt: skip
@click.option(
    "--host", default=LOOPBACK, show_default=True, metavar="ADDRESS",
    help="Listen on this address of the machine; 0.0.0.0 for all, so that others reach it.",
)  # fmt: skip
@click.option(
    "--name", "names", multiple=True, metavar="HOST",
    help="Answer requests for this host name too, by which other machines call it; repeatable.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True)
@click.option(
    "--origin", "origins", multiple=True, metavar="URL",
    help="Let the pages of this origin call it, as http://localhost:5173; repeatable.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1, WORKERS_MAX), default=WORKERS, show_default=True,
    help="Requests that are answered at the same time, each by a process.",
)  # fmt: skip
@click.option(
    "--reap-every", "reap_every_min", type=click.FloatRange(0), default=REAP_EVERY_MIN,
    show_default=True, metavar="MINUTES",
    help="Tidy up so often: expired leases, old records, logs that grew; 0 for never.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Log lines as JSON, as on Lambda.")
def serve(
    *,
    databases: str | None,
    log: str | None,
    host: str,
    names: tuple[str, ...],
    port: int,
    origins: tuple[str, ...],
    workers: int,
    reap_every_min: float,
    as_json: bool,
) -> None:
    """Serve databases of this machine over HTTP, until Ctrl-C.

    The settings of the service are variables of the environment, SQLATCH_ROWS_MAX and others.
    """
    check_that_it_can_run()
    from sqlatch.server.schedule import Schedule
    from sqlatch.server.watch import Watch, watched
    from sqlatch.server.workers import Workers

    if databases is not None and log is not None:
        raise click.UsageError("databases are in files or in a log: give --databases or --log")
    environment = service_environment(os.environ, databases, log)
    _check_that_it_may_listen(host, environment)
    place = environment.get("SQLATCH_LOG") or environment["SQLATCH_DATABASES"]
    home = _made_home(environment)
    token = _token(home, environment)
    environment.setdefault("SQLATCH_CONSOLE", "true")
    watch = Watch()
    options = ["--json"] if as_json else []
    pool = Workers(environment, options, at_once=workers, note=watch.note)
    schedule = Schedule(pool.answer, reap_every_min * 60)
    try:
        if problem := pool.problem():
            raise Failure(f"nothing is served: {problem}", Exit.REFUSED)
        answer: Callable[[Event], Answer] = pool.answer
        if _shows_page(environment):
            answer = watched(pool.answer, watch, beside=pool.answer_beside, waiting=pool.waiting)
        server = _listening(answer, host, port, names=names, origins=origins, workers=workers)
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        signal.signal(signal.SIGINT, lambda *_: server.stop())
        pool.stand()
        if reap_every_min:
            schedule.start()
        _tell(server.url, place, token, environment)
        server.run()
    finally:
        schedule.end()
        pool.end()


def service_environment(
    environment: Mapping[str, str], databases: str | None, log: str | None
) -> dict[str, str]:
    """Return the environment of the workers; an option is worth more than a variable."""
    settings = dict(environment)
    if databases or log:
        settings |= {"SQLATCH_DATABASES": databases or "", "SQLATCH_LOG": log or ""}
    if not (settings.get("SQLATCH_DATABASES") or settings.get("SQLATCH_LOG")):
        settings["SQLATCH_DATABASES"] = DIRECTORY
    return settings


def check_that_it_can_run() -> None:
    """Failure where the service cannot run on this machine."""
    if sys.platform == "win32":
        raise Failure(
            "the server needs the file locks of POSIX, which Windows does not have: run it in WSL"
            " or in a Linux container; the other commands ask it, or any service, with -u URL",
            Exit.USAGE,
        )
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Failure(
            f"{', '.join(missing)} not installed: pip install 'sqlatch[cli,server]'",
            Exit.USAGE,
        )


def _check_that_it_may_listen(host: str, environment: Mapping[str, str]) -> None:
    """Refuse an address that others reach where callers need no token."""
    try:
        address = ip_address(host)
    except ValueError as error:
        raise click.BadParameter(
            f"{host!r} is not an IP address of this machine; --name names it", param_hint="--host"
        ) from error
    if not address.is_loopback and environment.get("SQLATCH_HTTP_AUTH") != "token":
        raise Failure(
            f"other machines reach {host}, and without a token anybody would read and write every"
            " database: set SQLATCH_HTTP_AUTH=token, or listen on 127.0.0.1",
            Exit.USAGE,
        )


def _listening(
    answer: "Callable[[Event], Answer]",
    host: str,
    port: int,
    *,
    names: Sequence[str],
    origins: Sequence[str],
    workers: int,
) -> "Server":
    from sqlatch.server.http import Server
    from sqlatch.server.log_worker import AT_ONCE

    threads = workers + AT_ONCE
    try:
        return Server(answer, port, host=host, names=names, origins=origins, threads=threads)
    except OSError as error:
        raise Failure(
            f"port {port} cannot be served: {os.strerror(error.errno or 0)}; --port names"
            " another, --host another address",
            Exit.USAGE,
        ) from error


def _made_home(environment: dict[str, str]) -> Path | None:
    """Return the directory of the databases, or of their logs; None if they are elsewhere.

    A symbolic link may lead to it, though the service opens no file through one.
    """
    home = environment.get("SQLATCH_DATABASES")
    if log := environment.get("SQLATCH_LOG"):
        home = log.removeprefix(IN_A_DIRECTORY) if log.startswith(IN_A_DIRECTORY) else None
    if home is None:
        return None
    try:
        Path(home).mkdir(exist_ok=True)
    except OSError as error:
        raise Failure(f"the directory {home}: {error.strerror}", Exit.USAGE) from error
    if not log:
        environment["SQLATCH_DATABASES"] = str(Path(home).resolve())
    return Path(home)


def _token(home: Path | None, environment: dict[str, str]) -> str | None:
    """Return a token for every database; None if keys are set, whose owner has tokens."""
    from sqlatch.server import credentials
    from sqlatch.tokens import new_key

    if environment.get("SQLATCH_TOKEN_KEYS"):
        return None
    if environment.get("SQLATCH_LOG", "").startswith(("http://", "https://")):
        return environment.get("SQLATCH_LOG_TOKEN")  # the keys are those of the other node
    if home is None:
        private, public = new_key()
        token = credentials.signed_by(private)
    else:
        public, token = credentials.kept_in(home)
    environment["SQLATCH_TOKEN_KEYS"] = public
    return token


def _shows_page(environment: Mapping[str, str]) -> bool:
    return environment["SQLATCH_CONSOLE"].lower() in ("true", "1", "yes", "on", "t", "y")


def _tell(url: str, place: str, token: str | None, environment: Mapping[str, str]) -> None:
    exported = f"SQLATCH_URL={url}/main/" + (f" SQLATCH_TOKEN={token}" if token else "")
    click.echo(
        f"sqlatch {__version__} serves {place} at {url}; Ctrl-C ends it. In another terminal:\n\n"
        f"export {exported}\n"
        "sqlatch query 'CREATE TABLE notes (text)'\n"
    )
    if _shows_page(environment):
        # Behind the #, which a browser sends to nobody.
        click.echo(f"In the browser: {url}/console" + (f"#token={token}" if token else "") + "\n")
    sys.stdout.flush()
