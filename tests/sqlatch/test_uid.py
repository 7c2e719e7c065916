"""Ids: unique over processes, sorted by time, even if clocks step back and processes are killed."""

import multiprocessing
import os
import sqlite3
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from sqlatch import uid
from sqlatch.client import connect
from sqlatch.uid import COUNT_BITS, NODE_BITS, SPAN_MS, Span, Uids

PROCESSES = 8
EACH = 10_000


def made(path: Path, number: int) -> list[int]:
    uids = uid.in_file(path)
    return [uids.next() for _ in range(number)]


def test_8_processes_make_80_000_ids_and_none_twice(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        lists = list(pool.map(partial(made, tmp_path / "uids"), [EACH] * PROCESSES))

    assert len({one for ids in lists for one in ids}) == PROCESSES * EACH
    for ids in lists:
        assert ids == sorted(ids)
        assert 0 < ids[0] < ids[-1] < 1 << 63


def test_an_id_says_when_it_was_made(tmp_path: Path) -> None:
    before_ms = int(time.time() * 1000)
    one = uid.in_file(tmp_path / "uids").next()

    assert before_ms <= uid.time_ms(one) <= int(time.time() * 1000)


class Nodes:
    """Hands out one node only, and notes the spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def reserve(self, now_ms: int) -> Span:
        from_ms = max(now_ms, self.spans[-1].until_ms) if self.spans else now_ms
        self.spans.append(Span(node=7, from_ms=from_ms, until_ms=from_ms + SPAN_MS))
        return self.spans[-1]


def test_ids_go_on_upwards_while_the_clock_goes_back() -> None:
    clock = iter([1_900_000_000.0, 1_899_999_000.0, 1_899_999_000.5, 1_900_000_000.001])
    nodes = Nodes()
    uids = Uids(nodes.reserve, now=lambda: next(clock))

    ids = [uids.next() for _ in range(4)]

    assert all(first < second for first, second in pairwise(ids))
    assert len(nodes.spans) == 1


def test_more_ids_than_fit_into_a_millisecond_go_into_the_next() -> None:
    uids = Uids(Nodes().reserve, now=lambda: 1_900_000_000.0)

    ids = [uids.next() for _ in range((1 << COUNT_BITS) * 3)]

    assert all(first < second for first, second in pairwise(ids))
    assert [uid.time_ms(one) - 1_900_000_000_000 for one in (ids[0], ids[-1])] == [0, 2]


def test_a_process_makes_no_id_outside_its_span() -> None:
    nodes = Nodes()
    now_s = 1_900_000_000.0
    uids = Uids(nodes.reserve, now=lambda: now_s)
    first = uids.next()
    now_s += SPAN_MS / 1000

    second = uids.next()

    assert [span.from_ms for span in nodes.spans] == [uid.time_ms(first), uid.time_ms(second)]


def test_a_node_is_given_again_only_behind_its_span(tmp_path: Path) -> None:
    path = tmp_path / "uids"
    now_s = 1_900_000_000.0

    def node_at(at_s: float) -> int:
        uids = uid.in_file(path)
        return Uids(uids._reserve, now=lambda: at_s).next() >> COUNT_BITS & ((1 << NODE_BITS) - 1)

    just_before_s = now_s + SPAN_MS / 1000 - 0.001

    assert [node_at(at_s) for at_s in (now_s, just_before_s, now_s + SPAN_MS / 1000)] == [0, 1, 0]


def test_of_all_nodes_in_use_no_other_is_given(tmp_path: Path) -> None:
    path = tmp_path / "uids"
    uid.in_file(path).next()
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO uid_nodes VALUES (?, ?)",
            [(node, 1 << 60) for node in range(1, (1 << NODE_BITS) - 1)],
        )

    with pytest.raises(sqlite3.IntegrityError, match="node <"):
        uid.in_file(path).next()


def test_a_fork_and_its_parent_make_different_ids(tmp_path: Path) -> None:
    uids = uid.in_file(tmp_path / "uids")
    first = uids.next()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, b" ".join(b"%d" % uids.next() for _ in range(1000)))
        os._exit(0)
    mine = [uids.next() for _ in range(1000)]
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as pipe:
        os.close(write)
        theirs = [int(one) for one in pipe.read().split()]

    assert len({first, *mine, *theirs}) == 2001


def test_threads_share_it(tmp_path: Path) -> None:
    uids = uid.in_file(tmp_path / "uids")
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _n: uids.next(), range(8000)))

    assert len(set(ids)) == 8000


def test_the_ids_of_a_database_take_one_write_a_span(url: str) -> None:
    with connect(url) as client:
        one, other = uid.in_database(client), uid.in_database(client)

        ids = {each.next() for each in (one, other) for _ in range(1000)}

        assert len(ids) == 2000
        assert client.query("SELECT count(*) FROM uid_nodes").rows[0][0] == 2
