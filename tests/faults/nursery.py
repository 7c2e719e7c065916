"""Processes made quickly: everything is loaded once, and each is a fork of that.

python -m tests.faults.nursery     reads a task as JSON a line, prints the id of its process
"""

import json
import os
import signal
import sys

import handler.local  # noqa: F401  (so that no child has to load it)
import locking.dynamodb  # noqa: F401
from tests.faults import customer


def main() -> None:
    """Make processes until stdin ends, then kill those that are left, the stopped ones too."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be(customer.Task(**json.loads(line)))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    os.killpg(0, signal.SIGKILL)


def _be(task: customer.Task) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    status = 1
    try:
        customer.run(task)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
