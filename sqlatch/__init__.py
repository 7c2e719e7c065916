"""The package that callers install: `connect` opens a client; nothing is loaded before it."""

from typing import TYPE_CHECKING, Any

from sqlatch.kernel.version import __version__

if TYPE_CHECKING:
    from sqlatch.client import Client, connect
    from sqlatch.link import Link
    from sqlatch.result import Result
    from sqlatch.session import Session
    from sqlatch.statement import Statement

__all__ = ["Client", "Link", "Result", "Session", "Statement", "__version__", "connect"]

_FROM = {
    "Client": "sqlatch.client",
    "Link": "sqlatch.link",
    "Result": "sqlatch.result",
    "Session": "sqlatch.session",
    "Statement": "sqlatch.statement",
    "connect": "sqlatch.client",
}


def __getattr__(name: str) -> Any:
    """Load a name when it is asked for: the service imports this package for its kernel alone."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_FROM[name]), name)


def __dir__() -> list[str]:
    """Return the names that are not loaded yet too, which a prompt completes."""
    return sorted({*globals(), *__all__})
