"""The health of the service: its directory, its databases, its lease table and the leases in it."""

from typing import Any

from handler.nodes.moving import leadership
from handler.service import Service
from sqlatch.kernel.errors import SqlatchError
from sqlatch.kernel.version import __version__
from storage.connection import sqlite_version
from storage.engine import position_text
from storage.memory import keeps_too_much, sqlite_bytes, sqlite_bytes_max


def health(service: Service) -> dict[str, Any]:
    """`status` is `ok`, or `degraded`.

    It is degraded where the directory, the node that is followed, or the lease table does not
    answer, or where SQLite still holds too much memory after all has been given back that can be.
    """
    directory, databases = _directory(service)
    if service.databases.follows:
        databases = _followed(service, databases)
    lease_table, leases = _lease_table(service)
    memory = _memory(service)
    is_ok = directory["ok"] and lease_table["ok"] and memory["ok"]
    return {
        "status": "ok" if is_ok else "degraded",
        "version": __version__,
        "sqlite_version": sqlite_version(),
        **_role(service),
        "directory": directory,
        "lease_table": lease_table,
        "memory": memory,
        "databases": databases,
        "leases": leases,
    }


def _directory(service: Service) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        sizes = service.databases.sizes_bytes()
    except SqlatchError as error:
        return {"ok": False, "error": error.message}, []
    return {"ok": True}, [{"name": name, "bytes": size} for name, size in sizes.items()]


def _role(service: Service) -> dict[str, Any]:
    """Return whether this node leads or follows, and which one leads, as far as is known."""
    try:
        return leadership(service)
    except SqlatchError as error:
        return {"role": None, "leader": None, "failure": error.message}


def _followed(service: Service, databases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the databases, and for those with copies here how far the newest is behind."""
    found = {each["name"]: each for each in databases}
    for lag in service.databases.lags():
        found.setdefault(lag.name, {"name": lag.name}).update(
            position=position_text(lag.position),
            copies=lag.copies,
            lag_records=lag.records,
            lag_ms=lag.ms,
        )
        if lag.failure:
            found[lag.name]["failure"] = lag.failure
    return [found[name] for name in sorted(found)]


def _memory(service: Service) -> dict[str, Any]:
    service.databases.make_room()
    return {
        "ok": not keeps_too_much(),
        "sqlite_bytes": sqlite_bytes(),
        "sqlite_bytes_max": sqlite_bytes_max(),
    }


def _lease_table(service: Service) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        held = service.held_leases()
    except SqlatchError as error:
        return {"ok": False, "error": error.message}, []
    now_s = service.clock.now()
    leases = [
        {
            "database": lease.database,
            "holder": lease.holder,
            "acquired_at": lease.acquired_at_s,
            "expires_at": lease.expires_at_s,
            "fence": lease.fence,
            "expired": lease.is_expired(now_s),
        }
        for lease in held
    ]
    return {"ok": True}, leases
