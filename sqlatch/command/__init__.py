"""The command line `sqlatch`: what a terminal and scripts do with a database."""

import os
import sys
from contextlib import suppress
from importlib.util import find_spec

NEEDED = ("click", "prompt_toolkit", "rich")


def main() -> None:
    """The entry point; says what to install where the extra `cli` is not."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.exit(f"sqlatch: {', '.join(missing)} not installed: pip install 'sqlatch[cli]'")
    from sqlatch.command.main import run

    _set_up_streams()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        # What could not be written is told already; Python would try again, and end with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _set_up_streams() -> None:
    if sys.platform == "win32":
        # Elsewhere a text is UTF-8 and a line ends as it is written, in a pipe too.
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            stream.reconfigure(encoding="utf-8", newline="\n")
    else:
        # Of what a full pipe without blocking does not take, Python loses the rest, and says
        # nothing.
        with suppress(OSError):
            os.set_blocking(sys.stdout.fileno(), True)
