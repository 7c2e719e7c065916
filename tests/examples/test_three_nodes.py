"""examples/three-nodes: each block of its README, run in order as a reader runs it."""

import http.cookiejar
import json
import os
import re
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from sqlatch.client import connect
from tests.pages import ROOT, Run, blocks, shell

pytestmark = pytest.mark.django

EXAMPLE = ROOT / "examples" / "three-nodes"
README = (EXAMPLE / "README.md").read_text()
(
    START, IN_CONTAINERS, HEALTH, AT_THE_LEADER, AT_A_FOLLOWER, STATISTICS, ADMIN, KILL,
    READ_ON, WRITE_ON, START_AGAIN, GO_ON, KILL_BOTH, READ_ALONE, REFUSED,
) = blocks(README, "sh")  # fmt: skip

RUN_ALL = ".venv/bin/python examples/three-nodes/cluster.py build/three-nodes"
WAIT = "until grep -q Ctrl-C started; do kill -0 $! && sleep 0.1; done"
OFFSETS = (1, 2, 3, 1_001, 1_002, 1_003)
PORTS = range(18_000, 19_000, 10)

SEEN_S = 60
"""How long another node may take to show a message; it takes milliseconds."""


@dataclass
class Reader:
    """Runs the blocks of the page, in a checkout of its own, with other ports."""

    run_in_shell: Run
    ports: dict[str, str]

    def run(self, block: str) -> list[Any]:
        """Return the answers of a block that asks, one JSON a request."""
        printed = self.run_in_shell(block.replace("curl -sS ", "curl -sS -w '\\n' "))
        return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    def until(self, block: str, is_there: Callable[[list[Any]], bool]) -> list[Any]:
        """Read until the other nodes have it."""
        ends = time.monotonic() + SEEN_S
        while not is_there(answers := self.run(block)):
            assert time.monotonic() < ends, answers
        return answers

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[path[:4]]}{path[4:]}"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    for one in ROOT.iterdir():
        if one.is_dir() and not one.name.startswith(".") and one.name != "build":
            (tmp_path / one.name).symlink_to(one)
    with free_port() as port:
        ports = {f"{8_000 + n}": f"{port + n}" for n in OFFSETS}
        with shell(tmp_path, ports) as run:
            try:
                run(f"{RUN_ALL} --port {port} > started &\n{WAIT}")
                yield Reader(run, ports)
            finally:
                for group in (tmp_path / "build" / "three-nodes").glob("*.pid"):
                    with suppress(ProcessLookupError):
                        os.killpg(int(group.read_text()), signal.SIGKILL)


@contextmanager
def free_port() -> Iterator[int]:
    """A port behind which those of the sites and the nodes are free."""
    for port in PORTS:
        with suppress(OSError), ExitStack() as held:
            for offset in OFFSETS:
                claim = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                claim.bind(("127.0.0.1", port + offset))
                socket.create_server(("127.0.0.1", port + offset)).close()
            yield port
            return
    raise AssertionError("no ports are free")


def contents(answer: Any) -> list[str]:
    return [message["content"] for message in answer["messages"]]


def test_the_page_from_its_beginning_to_its_end(reader: Reader) -> None:
    healths = reader.run(HEALTH)
    assert [health["message_count"] for health in healths] == [0, 0, 0]
    urls = [reader.url(port) for port in ("9001", "9002", "9003")]
    leader = healths[0]["leader"]  # node 2, if node 1 did not get to renew its lease in time
    assert leader in urls[:2]
    assert [health["role"] for health in healths] == [
        "leader" if url == leader else "follower" for url in urls
    ]
    assert healths[1]["leader"] == leader
    assert ["lag_ms" in health for health in healths] == [False, False, True]
    written_and_read_by_all(reader)
    logs_in_at_one_node_and_is_known_at_the_others(reader)
    goes_on_under_another_leader(reader)
    reads_on_without_any(reader)


def written_and_read_by_all(reader: Reader) -> None:
    create, *reads = AT_THE_LEADER.splitlines(keepends=True)
    (created,) = reader.run(create)
    assert created == {"id": 1, "node_name": "node1"}
    answers = reader.until("".join(reads), lambda answers: all(map(contents, answers)))
    assert [answer["node_name"] for answer in answers] == ["node2", "node3"]
    assert [contents(answer) for answer in answers] == [["Hello from node 1"]] * 2

    created, read = reader.run(AT_A_FOLLOWER)
    assert created == {"id": 2, "node_name": "node2"}
    assert contents(read) == ["Hello from node 2", "Hello from node 1"]

    (counted,) = reader.until(STATISTICS, lambda answers: answers[0]["total_messages"] == 2)
    assert counted["by_node"] == {"node1": 1, "node2": 1}
    assert [health["message_count"] for health in reader.run(HEALTH)] == [2, 2, 2]


def logs_in_at_one_node_and_is_known_at_the_others(reader: Reader) -> None:
    reader.run(ADMIN)
    browser = urllib.request.build_opener(
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )

    def page(path: str, **form: str) -> str:
        content = urlencode(form).encode() if form else None
        with browser.open(reader.url(path), content) as answer:
            return str(answer.read().decode())

    login = page("8003/admin/login/?next=/admin/wall/message/")
    (secret,) = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', login)
    form = {"username": "ada", "password": "secret", "csrfmiddlewaretoken": secret}
    assert "Hello from node 2" in page("8003/admin/login/?next=/admin/wall/message/", **form)
    for site in ("8001", "8002"):  # cookies go with the host, whatever its port
        ends = time.monotonic() + SEEN_S
        while "Hello from node 2" not in page(f"{site}/admin/wall/message/"):
            assert time.monotonic() < ends
    with browser.open(reader.url("8002/static/admin/css/base.css")) as answer:
        assert answer.status == 200


def goes_on_under_another_leader(reader: Reader) -> None:
    reader.run(KILL)

    first, counted = reader.run(READ_ON)
    assert contents(first) == ["Hello from node 2", "Hello from node 1"]
    assert counted["by_node"] == {"node1": 1, "node2": 1}
    created = reader.run(WRITE_ON)
    assert created == [{"id": 3, "node_name": "node2"}, {"id": 4, "node_name": "node3"}]

    reader.run(START_AGAIN)
    health, caught_up, created, last = reader.run(GO_ON)
    assert (health["role"], health["leader"]) == ("follower", reader.url("9002"))
    assert contents(caught_up)[:2] == ["Yes, node 3", "Is anybody there?"]
    assert created == {"id": 5, "node_name": "node1"}
    assert contents(last)[0] == "Back again"


def reads_on_without_any(reader: Reader) -> None:
    reader.until(STATISTICS, lambda answers: answers[0]["total_messages"] == 5)
    reader.run(KILL_BOTH)

    counted, health, read = reader.run(READ_ALONE)
    assert counted["by_node"] == {"node1": 2, "node2": 2, "node3": 1}
    assert (health["message_count"], health["lag_ms"]) == (5, None)
    assert read["rows"] == [[5]]
    assert read["meta"]["age_ms"] > 0
    (refused,) = reader.run(REFUSED)
    assert refused["code"] == "LEADER_UNREACHABLE"


def test_make_starts_what_was_tested() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nthree-nodes:")[2].splitlines()[1]

    assert START.strip() == "make three-nodes"
    assert recipe.replace("@PYTHONPATH=$(CURDIR) $(BIN)", ".venv/bin").strip() == RUN_ALL
    assert START_AGAIN.startswith(f'PYTHONPATH="$PWD" {RUN_ALL} node1 &')


def test_the_containers_run_what_was_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker is not needed here: the file is compared with the processes of cluster.py."""
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    from cluster import NODES, SHARE_THE_LOG, SITES, Cluster

    assert "--file examples/three-nodes/compose.yaml up" in IN_CONTAINERS
    services = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())["services"]
    here = Cluster(tmp_path, 8_000)

    for name in (*NODES, *SITES):
        command, variables = here.process_of(name)
        contained = services[name]
        assert in_a_container(command, tmp_path) == without_network(contained["command"])
        given = {*contained["environment"], "SQLATCH_TOKEN", "SQLATCH_TOKEN_KEYS"}
        given |= {"SQLATCH_LOG_TOKEN"}
        assert variables.keys() <= given
        for setting in ("SQLATCH_LEADER", "SQLATCH_LEADER_LEASE_S", "SQLATCH_NODE"):
            told = contained["environment"].get(setting, "")
            assert told == with_host_names(variables.get(setting, ""))
    for site, node in zip(SITES, NODES, strict=True):
        url = services[site]["environment"]["SQLATCH_URL"]
        assert url == here.process_of(site)[1]["SQLATCH_URL"]
        connect(url, token=here.token).close()  # BadUrl where a token would leave the machine
        assert services[site]["network_mode"] == f"service:{node}"
        ports = [here.url(name)[-4:] for name in (node, site)]
        assert services[node]["ports"] == [f"127.0.0.1:{port}:{port}" for port in ports]
    has_the_log = [node for node in NODES if "log:/log" in services[node]["volumes"]]
    assert has_the_log == list(SHARE_THE_LOG)


def in_a_container(command: list[str], directory: Path) -> list[str]:
    """Return a command of cluster.py with the paths and the host names of the containers."""
    text = " ".join(command).replace(f"{sys.executable} -m sqlatch", "sqlatch")
    text = text.replace(sys.executable, "python").replace(f"{directory}/log", "/log")
    return with_host_names(text).replace("--listen=127.0.0.1", "--listen=0.0.0.0").split()


def with_host_names(text: str) -> str:
    return re.sub(r"http://127\.0\.0\.1:900(\d)", r"http://node\1:900\1", text)


def without_network(command: str) -> list[str]:
    return re.sub(r" --host 0\.0\.0\.0 --name node\d", "", command).split()
