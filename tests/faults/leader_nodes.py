"""Nodes under load whose leader is killed, frozen, cut off from its tables, and moved.

Writers send rows to all nodes, each with a key, and note what they are told. At the end each row
that was acknowledged is there once, none is there that was refused, and no commit of an earlier
leader stands behind one of a later one.
"""

import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sqlatch.attempts import Attempts
from sqlatch.client import Client
from sqlatch.errors import SqlatchError
from tests import dynamodb_server
from tests.handler.leaders import Member, cluster, until

LEASE_S = 1.5
TIMEOUT_MS = 2_000
ATTEMPT_S = 4.0
WRITERS = 4
DATABASES = ("one", "two")
CHUNK = 65_536


@dataclass
class Counts:
    """What happened, and what must be 0."""

    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    kills: int = 0
    freezes: int = 0
    cuts: int = 0
    moves: int = 0
    terms: int = 0
    commits_with_term: int = 0
    late_refused: int = 0
    takeovers: int = 0
    takeover_s_max: float = 0.0
    written_s_max: float = 0.0
    lost: int = 0
    twice: int = 0
    refused_and_there: int = 0
    terms_out_of_order: int = 0
    two_terms_at_a_position: int = 0

    def broken(self) -> dict[str, int]:
        """Return what must be 0 and is not."""
        names = (
            "lost", "twice", "refused_and_there", "terms_out_of_order", "two_terms_at_a_position",
        )  # fmt: skip
        return {name: count for name in names if (count := getattr(self, name))}


class Relay:
    """The way of one node to DynamoDB and S3, which can be cut."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname, parts.port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_cut = True
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._listening.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            far = socket.create_connection(self._to)
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        self._open.add(source)
        try:
            with suppress(OSError):
                while content := source.recv(CHUNK):
                    target.sendall(content)
        finally:
            self._open.discard(source)
            for each in (source, target):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            source.close()


@dataclass
class Writer:
    """One that sends rows to all nodes, and notes what it is told."""

    number: int
    members: list[Member]
    chance: random.Random
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    refused: set[tuple[str, str]] = field(default_factory=set)
    unknown: set[tuple[str, str]] = field(default_factory=set)
    last_s: float = 0.0
    is_ended: bool = False
    clients: dict[tuple[str, str], Client] = field(default_factory=dict)

    def run(self) -> None:
        count = 0
        while not self.is_ended:
            count += 1
            row = self.chance.choice(DATABASES), f"{self.number}-{count}"
            self._write(row)
        for client in self.clients.values():
            client.close()

    def _write(self, row: tuple[str, str]) -> None:
        """Send a row until it is known what became of it, or, half of the times, once."""
        database, name = row
        may_be_there = False
        while not self.is_ended:
            member = self.chance.choice(self.members)
            try:
                client = self.clients.get((member.name, database)) or _once(member, database)
                self.clients[member.name, database] = client
                client.execute("INSERT INTO t VALUES (?)", [name], idempotency_key=name)
            except _GivenUp as given_up:
                error = given_up.__context__
                assert isinstance(error, SqlatchError)
            except SqlatchError as raised:
                error = raised
            else:
                self.acknowledged.add(row)
                self.last_s = time.monotonic()
                return
            may_be_there |= error.facts.get("outcome") != "nothing"
            time.sleep(0.05)
            if self.chance.random() < 0.5:
                break
        (self.unknown if may_be_there else self.refused).add(row)


class _GivenUp(Exception):
    """The one attempt of a call has failed."""


def _never(_seconds: float) -> None:
    raise _GivenUp


@dataclass
class Campaign:
    """A cluster, the ways of its nodes to the table, and those who write."""

    members: list[Member]
    relays: dict[str, Relay]
    writers: list[Writer]
    chance: random.Random
    counts: Counts = field(default_factory=Counts)

    def leader(self) -> Member:
        """The node that leads, by what one of those that run says."""
        leader = until(self._leader)
        assert leader is not None
        return leader

    def _leader(self) -> Member | None:
        for member in self.members:
            with suppress(SqlatchError, _GivenUp), _once(member) as client:
                if client.leader()["role"] == "leader":
                    return member
        return None

    def kill(self) -> None:
        leader = self.leader()
        leader.kill()
        self.counts.kills += 1
        self._wait_for_another(leader)
        leader.start()

    def freeze(self) -> None:
        leader = self.leader()
        leader.signal(signal.SIGSTOP)
        self.counts.freezes += 1
        try:
            self._wait_for_another(leader)
        finally:
            leader.signal(signal.SIGCONT)

    def cut_off(self) -> None:
        leader = self.leader()
        relay = self.relays[leader.name]
        relay.cut()
        self.counts.cuts += 1
        try:
            self._wait_for_another(leader)
        finally:
            relay.mend()

    def move(self) -> None:
        asked, to = self.chance.sample(self.members, 2)
        with suppress(SqlatchError, _GivenUp), _once(asked) as client:
            client.move_leader(self.chance.choice([to.url, None]))
            self.counts.moves += 1

    def _wait_for_another(self, leader: Member) -> None:
        """Wait until another node leads, and a write is acknowledged; note how long each took."""
        counts, began_s, monotonic_s = self.counts, time.time(), time.monotonic()
        others = [member for member in self.members if member is not leader]
        until(lambda: any(at_s > began_s for at_s in _begun_s(others)))
        leads_s = min(at_s for at_s in _begun_s(others) if at_s > began_s)
        counts.takeovers += 1
        counts.takeover_s_max = max(counts.takeover_s_max, leads_s - began_s)
        until(lambda: max(writer.last_s for writer in self.writers) > monotonic_s + LEASE_S)
        written_s = max(writer.last_s for writer in self.writers) - monotonic_s
        counts.written_s_max = max(counts.written_s_max, written_s)


def _begun_s(members: list[Member]) -> Iterator[float]:
    """When each term of these nodes began, in epoch seconds, by their lines."""
    for member in members:
        for line in member.lines():
            if " leads nodes, term " in line["message"]:
                yield datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp()


def _once(member: Member, database: str = "main") -> Client:
    """Return a client that sends nothing again."""
    client = member.client(database)
    client.attempts = Attempts(ATTEMPT_S, ATTEMPT_S, sleep=_never)
    return client


def run(directory: Path, *, rounds: int, seed: int, in_table: bool, **settings: str) -> Counts:
    """Run the campaign; each round has one of each kind of trouble."""
    chance = random.Random(seed)
    with (
        dynamodb_server.running() as table_url,
        _log(table_url, in_table=in_table) as log,
        _relays(table_url, "abc") as relays,
        cluster(
            directory,
            lease_s=LEASE_S,
            of_each={
                name: {"AWS_ENDPOINT_URL": relay.url, **dynamodb_server.CREDENTIALS}
                for name, relay in relays.items()
            },
            SQLATCH_LEASES=f"dynamodb:{dynamodb_server.TABLE}",
            SQLATCH_TIMEOUT_MS=str(TIMEOUT_MS),
            **log,
            **settings,
        ) as members,
    ):
        for database in DATABASES:
            with members[0].client(database) as client:
                client.execute("CREATE TABLE t (name)")
        writers = [
            Writer(number, members, random.Random(seed + number)) for number in range(WRITERS)
        ]
        campaign = Campaign(members, relays, writers, chance)
        _under_load(campaign, rounds)
        _audit(campaign)
        return campaign.counts


def _under_load(campaign: Campaign, rounds: int) -> None:
    threads = [threading.Thread(target=writer.run) for writer in campaign.writers]
    for thread in threads:
        thread.start()
    try:
        troubles: list[Callable[[], None]] = [
            campaign.kill, campaign.freeze, campaign.cut_off, campaign.move,
        ]  # fmt: skip
        for _round in range(rounds):
            campaign.chance.shuffle(troubles)
            for trouble in troubles:
                trouble()
                time.sleep(campaign.chance.random())
    finally:
        for writer in campaign.writers:
            writer.is_ended = True
        for thread in threads:
            thread.join()


@contextmanager
def _log(url: str, *, in_table: bool) -> Iterator[dict[str, str]]:
    """The setting of the log, unless it is in the directory of the nodes."""
    if not in_table:
        yield {}
        return
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dynamodb_server.CREDENTIALS.items():
            patch.setenv(name, value)
        yield {"SQLATCH_LOG": dynamodb_server.create_log(url, "log")}


@contextmanager
def _relays(url: str, names: str) -> Iterator[dict[str, Relay]]:
    relays = {name: Relay(url) for name in names}
    try:
        yield relays
    finally:
        for relay in relays.values():
            relay.close()


def _audit(campaign: Campaign) -> None:
    counts, writers = campaign.counts, campaign.writers
    there = list[tuple[str, str]]()
    for database in DATABASES:
        with campaign.leader().client(database) as client:
            rows = client.query("SELECT name FROM t").rows
        there += [(database, str(name)) for (name,) in rows]
    acknowledged = set[tuple[str, str]]().union(*(writer.acknowledged for writer in writers))
    refused = set[tuple[str, str]]().union(*(writer.refused for writer in writers))
    counts.acknowledged, counts.refused = len(acknowledged), len(refused)
    counts.unknown = sum(len(writer.unknown) for writer in writers)
    counts.lost = len(acknowledged - set(there))
    counts.twice = len(there) - len(set(there))
    counts.refused_and_there = len(refused & set(there))
    terms = set[int]()
    for database in DATABASES:
        commits = sorted(_commits(campaign, database))
        counts.commits_with_term += len(commits)
        terms |= {term for _position, term in commits}
        for (position, term), (next_position, next_term) in pairwise(commits):
            counts.terms_out_of_order += next_term < term
            counts.two_terms_at_a_position += position == next_position
    counts.terms = len(terms)


def _commits(campaign: Campaign, database: str) -> Iterator[tuple[str, int]]:
    """Position and term of each commit in the lines of the nodes."""
    for member in campaign.members:
        for line in member.lines():
            if line.get("kind") == "write" and line.get("database") == database and "term" in line:
                campaign.counts.late_refused += line.get("code") == "LEASE_LOST"
                if "code" not in line and not line.get("replayed"):
                    yield line["position"], line["term"]
