"""The right to write that the node has which leads, or every node if none does."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlatch.kernel.errors import BadEvent
from storage.nodes import ForLeader

if TYPE_CHECKING:
    from handler.record import Record
    from handler.service import Service


def _nothing() -> None:
    """Check nothing."""


@dataclass(frozen=True, slots=True)
class Right:
    """The right of a leader in its `term`. `check` raises LeaseLost if that is over.

    Without a term it does not end: there is no leader, or a setting names it.
    """

    term: int | None = None
    check: Callable[[], None] = _nothing


EVERYBODY = nullcontext(Right())


def right_of(service: "Service", record: "Record") -> AbstractContextManager[Right]:
    """Return the right to write of the node that leads; ForLeader if that is another one."""
    if service.databases.follows:
        raise ForLeader
    return service.leading.writing(record) if service.settings.leader else EVERYBODY


@contextmanager
def not_sent_on(what: str) -> Iterator[None]:
    """BadEvent for what the node that leads has to do, of which nothing is sent to it."""
    try:
        yield
    except ForLeader as error:
        raise BadEvent(
            f"a node that follows another one {what}: do it where databases are written, without"
            " SQLATCH_LEADER and with a log of its own"
        ) from error
