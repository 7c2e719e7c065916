"""`sqlatch mcp`, asked by the protocol's own client over standard input and output."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from sqlatch.client import connect
from tests.command.conftest import ROOT, Sqlatch
from tests.sqlatch import socket_server

if TYPE_CHECKING:
    from mcp.client import Client

PAGE = (ROOT / "docs/agents.md").read_text()
TOOLS = {"schema", "query", "explain", "history", "execute"}

Call = Callable[..., Awaitable[Any]]


def session(arguments: list[str], program: "Callable[[Client, Call], Awaitable[None]]") -> None:
    """Run a program with a client of the command; `call` returns what a tool answers."""
    from mcp import StdioServerParameters  # takes a second: not while tests are collected
    from mcp.client import Client

    async def run() -> None:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "sqlatch", *arguments],
            env=dict(os.environ),
            cwd=ROOT,
        )
        async with Client(server) as client:

            async def call(tool: str, **given: Any) -> Any:
                answer = await client.call_tool(tool, given)
                text = answer.content[0].text  # type: ignore[union-attr]
                if answer.is_error:
                    raise ValueError(text)
                structured = answer.structured_content
                return text if structured is None or "result" in structured else structured

            await program(client, call)

    asyncio.run(run())


def test_an_agent_reads_writes_and_sees_what_it_did(url: str) -> None:
    async def program(client: "Client", call: Call) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        await call("execute", sql="CREATE TABLE bird (id INTEGER PRIMARY KEY, name UNIQUE, song)")
        made = await call(
            "execute",
            sql="INSERT INTO bird (name, song) VALUES (:name, :song) RETURNING id",
            parameters={"name": "wren", "song": {"base64": "AP8="}},
            idempotency_key="k",
        )
        assert made == {
            "columns": ["id"], "rows": [[1]], "rows_affected": 1, "last_insert_rowid": 1,
            "replayed": False, "idempotency_key": "k",
        }  # fmt: skip
        with pytest.raises(ValueError, match=r"CONSTRAINT: UNIQUE.*Nothing was written"):
            await call("execute", sql="INSERT INTO bird (name) VALUES ('wren')")
        assert (await call("schema", table="Bird"))["sql"] == [
            "CREATE TABLE bird (id INTEGER PRIMARY KEY, name UNIQUE, song)"
        ]
        plan = await call("explain", sql="DELETE FROM bird WHERE name = ?", parameters=["wren"])
        assert plan == "SEARCH bird USING INDEX sqlite_autoindex_bird_1 (name=?)"
        assert await call("query", sql="SELECT name, song FROM bird") == {
            "columns": ["name", "song"], "rows": [["wren", {"base64": "AP8="}]], "truncated": False
        }  # fmt: skip
        history = (await call("history"))["session"]
        assert [(one["tool"], one.get("code")) for one in history] == [
            ("execute", None), ("execute", None), ("execute", "CONSTRAINT"),
            ("schema", None), ("explain", None), ("query", None),
        ]  # fmt: skip
        assert history[1]["idempotency_key"] == "k"

    session(["mcp", "-u", url], program)

    with connect(url) as database:
        again = database.execute(
            "INSERT INTO bird (name, song) VALUES (:name, :song) RETURNING id",
            {"name": "wren", "song": b"\0\xff"},
            idempotency_key="k",
        )
        assert again.meta["replayed"], "the key was that of the request"


def test_what_only_reads_offers_no_tool_that_writes(url: str) -> None:
    async def program(client: "Client", call: Call) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS - {"execute"}
        with pytest.raises(ValueError, match="READ_ONLY"):
            await call("query", sql="INSERT INTO t VALUES (1)")
        with pytest.raises(ValueError, match="execute"):
            await call("execute", sql="INSERT INTO t VALUES (1)")
        rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 5000) SELECT"
        few = await call("query", sql=f"{rows} n FROM n", rows_max=3)
        assert (few["rows"], few["truncated"]) == ([[1], [2], [3]], True)
        assert len((await call("query", sql=f"{rows} n FROM n"))["rows"]) == 100
        with pytest.raises(ValueError, match="rows_max"):
            await call("query", sql=f"{rows} n FROM n", rows_max=1001)
        with pytest.raises(ValueError, match="there is no table 'nowhere'"):
            await call("schema", table="nowhere")
        assert (await call("query", sql="SELECT count(*) FROM t"))["rows"] == [[0]]

    with connect(url) as database:
        database.execute("CREATE TABLE t (n)")
    (configuration,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    server = json.loads(configuration)["mcpServers"]["sqlatch"]
    assert server["command"] == "sqlatch"
    session([url if one.startswith("http:") else one for one in server["args"]], program)


def test_a_write_whose_outcome_is_unknown_tells_the_agent_its_key() -> None:
    from mcp.server.mcpserver.exceptions import ToolError

    from sqlatch.command.agent import Agent

    with (
        socket_server.running(b"") as server,
        connect(f"http://127.0.0.1:{server.port}/main", timeout_s=0.3) as database,
        pytest.raises(ToolError, match=r"not known.*idempotency_key 'k', which writes it at most"),
    ):
        Agent(database).execute("INSERT INTO t VALUES (1)", idempotency_key="k")


def test_the_page_has_every_tool_and_no_other() -> None:
    assert set(re.findall(r"^\| `(\w+)\(", PAGE, re.MULTILINE)) == TOOLS


def test_without_its_extra_it_says_what_to_install(
    sqlatch: Sqlatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sqlatch.command.agent", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server", None)

    ended = sqlatch("mcp")

    assert (ended.code, ended.out) == (2, "")
    assert "mcp.server is not installed: pip install 'sqlatch[mcp]'" in ended.err
