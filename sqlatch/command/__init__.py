"""The command line `sqlatch`: what a terminal and scripts do with a database."""

import os
import sys
from contextlib import suppress
from importlib.util import find_spec

NEEDED = ("click", "prompt_toolkit", "rich")


def main() -> None:
    """The entry point; says what to install where the extra `cli` is not."""
    if sys.platform == "win32":
        sys.exit("sqlatch: the command does not run on Windows; run it in WSL")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.exit(f"sqlatch: {', '.join(missing)} not installed: pip install 'sqlatch[cli]'")
    from sqlatch.command.main import run

    # Of what a full pipe without blocking does not take, Python loses the rest and says nothing.
    with suppress(OSError):
        os.set_blocking(sys.stdout.fileno(), True)
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        # What could not be written is told already; Python would try again, and end with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
