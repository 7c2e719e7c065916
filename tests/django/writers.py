"""Django in processes of their own, as Lambda instances are, on one database file.

python -m tests.django.writers NAME DEED COUNT NUMBER     prints what was acknowledged, as JSON
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60


def start(
    name: str | Path, deed: str, count: int, number: int, environment: Mapping[str, str]
) -> "subprocess.Popen[str]":
    """A process that has connected, and waits for the word."""
    arguments = [str(name), deed, str(count), str(number)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.django.writers", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def say_go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def run_together(
    processes: int, name: str | Path, deed: str, count: int, environment: Mapping[str, str]
) -> list[Any]:
    """Run the processes, and return all that was acknowledged to them."""
    started = [start(name, deed, count, number, environment) for number in range(processes)]
    for process in started:
        say_go(process)
    outputs = [process.communicate(timeout=800)[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes
    return [item for output in outputs for item in json.loads(output)]


def create(owner: str) -> Any:
    """INSERT ... RETURNING in autocommit."""
    from tests.django.bank.models import Account

    return Account.objects.create(owner=owner).owner


def raise_in_atomic(_owner: str) -> Any:
    """Read, then write what follows from it: wrong if anybody else wrote between."""
    from django.db import transaction

    from tests.django.bank.models import Account

    with transaction.atomic():
        account = Account.objects.get(owner="counter")
        account.balance += 1
        account.save()
    return account.balance


def raise_for_update(_owner: str) -> Any:
    from django.db import transaction

    from tests.django.bank.models import Account

    with transaction.atomic():
        account = Account.objects.select_for_update().get(owner="counter")
        account.balance += 1
        account.save()
    return account.balance


def raise_every(owner: str) -> Any:
    """One statement that writes every row."""
    from django.db.models import F

    from tests.django.bank.models import Account

    Account.objects.update(balance=F("balance") + 1)
    return owner


def die_in_atomic(owner: str) -> Any:
    from django.db import transaction

    with transaction.atomic():
        create(owner)
        os.kill(os.getpid(), signal.SIGKILL)


def hold_in_atomic(owner: str) -> Any:
    """Write, say so, and commit at the next word."""
    from django.db import transaction

    with transaction.atomic():
        create(owner)
        sys.stdout.write("written\n")
        sys.stdout.flush()
        sys.stdin.readline()
    return owner


DEEDS = {
    deed.__name__: deed
    for deed in (
        create,
        raise_in_atomic,
        raise_for_update,
        raise_every,
        die_in_atomic,
        hold_in_atomic,
    )
}


def without_the_lease() -> None:
    """The negative control: what the lease rules out must happen without it."""
    from locking.lease import HeldLease, Lease
    from locking.leases import Leases

    @contextmanager
    def hold(self: Any, database: str, *, deadline_s: float, **_options: Any) -> Any:
        held = HeldLease(database, "", "", 0, deadline_s + TIMEOUT_S, 0)
        yield Lease(held, taken_over=False, waited_ms=0, clock=self._clock)

    Leases.hold = hold


def main(name: str, deed: str, count: int, number: int) -> list[Any]:
    import django
    from django.conf import settings

    timeout_s = float(os.environ.get("TEST_TIMEOUT_S", TIMEOUT_S))
    given = {"ENGINE": "sqlatch.django", "NAME": name, "OPTIONS": {"timeout": timeout_s}}
    settings.configure(
        DATABASES={"default": given},
        INSTALLED_APPS=["tests.django.bank"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    from django.db import DatabaseError, connection

    if os.environ.get("TEST_WITHOUT") == "lease":
        without_the_lease()
    connection.ensure_connection()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    acknowledged = []
    for turn in range(count):
        try:
            acknowledged.append(DEEDS[deed](f"{number}-{turn}"))
        except DatabaseError:
            continue
    return acknowledged


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
