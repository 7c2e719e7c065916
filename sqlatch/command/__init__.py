"""The command line `sqlatch`: what a terminal and scripts do with a database."""

import sys
from importlib.util import find_spec

NEEDED = ("click", "prompt_toolkit", "rich")


def main() -> None:
    """The entry point; says what to install where the extra `cli` is not."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.exit(f"sqlatch: {', '.join(missing)} not installed: pip install 'sqlatch[cli]'")
    from sqlatch.command.main import run

    sys.exit(run(sys.argv[1:]))
