"""The tools that an agent gets for one database, over the Model Context Protocol."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import uuid4

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from sqlatch.client import Client
from sqlatch.command.schema import definitions, folded, table_named
from sqlatch.errors import SqlatchError
from sqlatch.failures import UNKNOWN
from sqlatch.kernel.values import special_in, value_out
from sqlatch.kernel.version import __version__
from sqlatch.result import Result

ROWS_DEFAULT = 100
ROWS_MAX = 1_000
"""Of one query: what an agent reads it pays for, and a long result hides what is in it."""

HISTORY_MAX = 200
SQL_SHOWN_MAX = 2_000

Sql = Annotated[
    str, Field(description="One statement of SQLite's SQL; bind values with ? or :name")
]
Parameters = Annotated[
    list[Any] | dict[str, Any] | None,
    Field(description='A list for ?, an object for :name; a blob is {"base64": "..."}'),
]
Rows = Annotated[int, Field(ge=1, le=ROWS_MAX, description="The most rows to return")]
Key = Annotated[
    str | None,
    Field(description="Repeat a write whose outcome is unknown with the key that its error names"),
]

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)

INSTRUCTIONS = (
    "One SQLite database behind a service. Look at `schema` first. `query` reads, and cannot write."
    " Each call is a transaction of its own."
)


class Agent:
    """The tools, on one client. `history` is what they have run in this session."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY_MAX)

    def server(self, *, read_only: bool) -> MCPServer[Any]:
        """Return the server with these tools; without `execute` if only reads are wanted."""
        server: MCPServer[Any] = MCPServer(
            "sqlatch", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING"
        )
        for tool in (self.schema, self.query, self.explain, self.history):
            server.tool(annotations=READS)(tool)
        if not read_only:
            server.tool(annotations=WRITES)(self.execute)
        return server

    def schema(
        self, table: Annotated[str | None, Field(description="Only this table")] = None
    ) -> dict[str, Any]:
        """Return the SQL that made the tables, views, indexes and triggers."""
        with self._noted("schema", table or ""):
            found = definitions(self._client)
            if table is not None:
                if table_named(self._client, table) is None:
                    raise ToolError(f"there is no table {table!r}: call schema without a table")
                found = [one for one in found if folded(one.table) == folded(table)]
        return {"database": self._client.database, "sql": [one.sql for one in found]}

    def query(
        self, sql: Sql, parameters: Parameters = None, rows_max: Rows = ROWS_DEFAULT
    ) -> dict[str, Any]:
        """Run one statement that only reads. `truncated` says that there are more rows."""
        with self._noted("query", sql) as noted:
            result = self._client.query(sql, _values(parameters), rows_max=rows_max)
            noted |= {"rows": len(result), "position": result.position}
        return _shown(result) | {"truncated": result.truncated}

    def explain(self, sql: Sql, parameters: Parameters = None) -> str:
        """Return how SQLite would run a statement, as a tree; it is not run."""
        with self._noted("explain", sql):
            rows = self._client.query(f"EXPLAIN QUERY PLAN {sql}", _values(parameters)).rows
        depths: dict[Any, int] = {0: -1}
        lines = []
        for step, parent, _unused, detail in rows:
            depths[step] = depths[parent] + 1
            lines.append("  " * depths[step] + str(detail))
        return "\n".join(lines)

    def execute(
        self, sql: Sql, parameters: Parameters = None, idempotency_key: Key = None
    ) -> dict[str, Any]:
        """Run one statement that may write, once: under an idempotency key, made unless given."""
        key = idempotency_key or f"agent-{uuid4()}"
        with self._noted("execute", sql, idempotency_key=key) as noted:
            result = self._client.execute(sql, _values(parameters), idempotency_key=key)
            noted |= {"rows_affected": result.rows_affected, "position": result.position}
        return _shown(result) | {
            "rows_affected": result.rows_affected,
            "last_insert_rowid": result.last_insert_rowid,
            "replayed": bool(result.meta.get("replayed")),
            "idempotency_key": key,
        }

    def history(self) -> dict[str, Any]:
        """Return what was run in this session, oldest first. The service itself keeps no history.

        `position` is that of the state that was read or made, where databases are logs.
        """
        return {"session": list(self._history)}

    @contextmanager
    def _noted(self, tool: str, sql: str, **facts: Any) -> Iterator[dict[str, Any]]:
        """Note a call and its end in the history; tell its error in words for an agent."""
        started_s = time.perf_counter()
        noted = {"at_s": round(time.time(), 3), "tool": tool, "sql": sql[:SQL_SHOWN_MAX], **facts}
        self._history.append(noted)
        try:
            yield noted
        except SqlatchError as error:
            noted["code"] = error.code
            raise ToolError(_told(error, facts.get("idempotency_key"))) from error
        finally:
            noted["duration_ms"] = round((time.perf_counter() - started_s) * 1000, 1)


def _told(error: SqlatchError, key: str | None) -> str:
    if key is None:
        return f"{error.code}: {error.message}"
    if error.facts.get("outcome") == UNKNOWN:
        return (
            f"{error.code}: {error.message}. It is not known whether this was written: call execute"
            f" again with the same arguments and idempotency_key {key!r}, which writes it at most"
            " once"
        )
    return f"{error.code}: {error.message}. Nothing was written"


def _shown(result: Result) -> dict[str, Any]:
    rows = [[value_out(value) for value in row] for row in result.rows]
    return {"columns": list(result.columns), "rows": rows}


def _values(given: Parameters) -> Any:
    """Return parameters as a client takes them: blobs and infinite reals are objects in JSON."""
    try:
        if isinstance(given, dict):
            return {name: _value(value) for name, value in given.items()}
        return given if given is None else [_value(value) for value in given]
    except ValueError as error:
        raise ToolError(f"parameters: {error}") from error


def _value(value: Any) -> Any:
    return special_in(value, "a value") if isinstance(value, dict) and len(value) == 1 else value
