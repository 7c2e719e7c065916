"""The subjects that are measured: the service, the floor, and the peers that are installed."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable


class Subject(Protocol):
    """Something that reads and writes rows of the table, warm."""

    def read(self, number: int) -> str:
        """The name in that row."""

    def write(self, number: int) -> None:
        """Insert a row; return when it is on disk."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A subject: the module that opens it, its refusals, and the package that it needs."""

    module: str
    opener: str = "open_subject"
    needs: str = "apsw"


BARE = "bare apsw"
BETWEEN_CALLS = "bare apsw between two DynamoDB calls"
SQLATCH = "sqlatch"
LOG = "sqlatch, log"
TABLE = "sqlatch, table"
AGED = "sqlatch, table, max_age_ms"
STOCK = "stock Django"
EFS = "django-sqlite-efs"
EFS_KEPT = "django-sqlite-efs, connection kept"
LOCK = "python-dynamodb-lock"
LITESTREAM = "litestream-vfs"
DISTRIBUTED = "distributed-sqlite"

SUBJECTS = {
    BARE: Entry("benchmarks.bare"),
    BETWEEN_CALLS: Entry("benchmarks.between_calls"),
    SQLATCH: Entry("benchmarks.service"),
    LOG: Entry("benchmarks.service", "open_log"),
    TABLE: Entry("benchmarks.service", "open_table"),
    AGED: Entry("benchmarks.service", "open_table_aged"),
    EFS: Entry("benchmarks.django_orm", "open_efs", "django_sqlite_efs"),
    EFS_KEPT: Entry("benchmarks.django_orm", "open_efs_kept", "django_sqlite_efs"),
    STOCK: Entry("benchmarks.django_orm", "open_stock", "django"),
    LITESTREAM: Entry("benchmarks.litestream", needs="litestream_vfs"),
    DISTRIBUTED: Entry("benchmarks.distributed", needs="distributed_sqlite"),
    LOCK: Entry("benchmarks.dynamodb_lock", needs="python_dynamodb_lock"),
}


def installed(*names: str) -> list[str]:
    """Those of the subjects whose package is here."""
    return [name for name in names if find_spec(SUBJECTS[name].needs)]


def open_subject(name: str, directory: Path) -> Subject:
    """A subject, imported now, on the database in that directory."""
    entry = SUBJECTS[name]
    opener = cast("Callable[[Path], Subject]", getattr(import_module(entry.module), entry.opener))
    return opener(directory)


def refusals_of(name: str) -> tuple[type[Exception], ...]:
    """Return the exceptions of a refused write of that subject."""
    module = import_module(SUBJECTS[name].module)
    if hasattr(module, "refusals"):
        return cast("tuple[type[Exception], ...]", module.refusals())
    return cast("tuple[type[Exception], ...]", module.REFUSALS)
