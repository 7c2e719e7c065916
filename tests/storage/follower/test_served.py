"""The questions of a node that follows, and the answers to them."""

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.kernel.errors import BadEvent
from storage.follower import wire
from storage.log.engine import InLog
from storage.nodes import Tail
from tests.storage.follower.leaders import write
from tests.storage.log.logs import OURS


@pytest.fixture
def log(tmp_path: Path) -> Tail:
    engine = InLog(tmp_path, tmp_path / "copies")
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        write(store, "CREATE TABLE t (n)")
    engine.tend("main", time.time() + 60)
    return engine.tail("main")


def test_a_part_of_a_file_is_answered_and_no_other_path(log: Tail) -> None:
    deadline_s = time.time() + 10
    (file,) = json.loads(log.answer("files", {}, deadline_s).content)["files"]
    path = f"files/{file['path']}"
    whole = log.answer(path, {}, deadline_s).content
    assert len(whole) == file["bytes"]
    part = log.answer(path, {"first": "3", "bytes": "5"}, deadline_s)
    assert part.content == whole[3:8]
    assert log.answer(path, {"first": str(len(whole))}, deadline_s).content == b""
    for other in ("files/../log", "files//etc/passwd", "files/9/none.ltx", "other"):
        assert log.answer(other, {}, deadline_s).status == 404


@pytest.mark.parametrize(
    "asked",
    [{"after": "x"}, {"log": "1"}, {"log": "zz"}, {"wait_ms": "-1"}, {"offset": "1.5"}],
)
def test_a_question_that_is_none_is_refused(log: Tail, asked: dict[str, str]) -> None:
    with pytest.raises(BadEvent):
        log.answer("", asked, time.time() + 10)


def test_a_record_is_cut_into_parts(log: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    deadline_s = time.time() + 10
    whole = log.answer("", {}, deadline_s)
    assert whole.headers[wire.LAST] == f"{1:016x}"
    monkeypatch.setattr(wire, "ANSWER_BYTES_MAX", 100)
    parts = b""
    while part := log.answer("", {"offset": str(len(parts))}, deadline_s).content:
        parts += part
    assert parts == whole.content


def test_an_answer_tells_how_long_was_waited_for_a_record(log: Tail) -> None:
    at_once = log.answer("", {"wait_ms": "60000"}, time.time() + 60)
    assert int(at_once.headers[wire.WAITED]) < 60_000, "there is one"
    asked = {"after": f"{1:016x}", "wait_ms": "60000"}
    cut_short = log.answer("", asked, time.time() + 0.05)
    assert cut_short.content == b""
    assert 0 < int(cut_short.headers[wire.WAITED]) < 60_000
