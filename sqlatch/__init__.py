"""The package that callers install: `connect` opens a client; nothing is loaded before it."""

from typing import TYPE_CHECKING, Any

from sqlatch.kernel.version import __version__ as __version__

if TYPE_CHECKING:
    from sqlatch.client import Client as Client
    from sqlatch.client import connect as connect
    from sqlatch.result import Result as Result
    from sqlatch.session import Session as Session
    from sqlatch.statement import Statement as Statement

_FROM = {
    "Client": "sqlatch.client",
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
