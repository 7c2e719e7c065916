"""An instance that catches up with what others have committed to a log."""

import time
from pathlib import Path

from benchmarks import data, service
from benchmarks.sampling import Tables
from benchmarks.subjects import LOG
from benchmarks.workplace import Workplace, check
from sqlexec.idempotency import TABLE
from storage.engine import Grant, Store
from storage.log.engine import InLog

MILLISECONDS = 1e3
LEASE_S = 600


def behind(work: Workplace) -> Tables:
    """Milliseconds of the first read behind the commits of another instance."""
    directory = work.copy()
    reader = service.open_log(directory)
    own = directory / "writer"
    own.mkdir()
    writer = _writer(directory, own)
    taken = []
    rows = data.ROWS
    try:
        reader.read(1)
        for _round in range(work.counts.behind_rounds):
            for number in range(rows + 1, rows + work.counts.behind_records + 1):
                _write(writer, number)
            rows += work.counts.behind_records
            started = time.perf_counter()
            found = reader.read(rows)
            taken.append((time.perf_counter() - started) * MILLISECONDS)
            check(LOG, found, rows)
    finally:
        writer.close()
        reader.close()
    return {"behind": {LOG: taken}}


def _writer(directory: Path, copies: Path) -> Store:
    """An instance below the service: its commits take no lease, as each would cost two calls."""
    engine = InLog(directory / service.LOGS, copies)
    return engine.open(service.DATABASE, table=TABLE, now=time.time)


def _write(writer: Store, number: int) -> None:
    grant = Grant(time.time() + LEASE_S, 1, _nothing, _nothing, _nothing)
    with writer.write(grant) as transaction:
        transaction.connection.run(data.WRITE, *data.values_of(number))
        transaction.commit()


def _nothing() -> None:
    """Nobody else has the right to write here."""
