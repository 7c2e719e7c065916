"""examples/two-continents: what crosses the ocean in each form, counted; its page says how long."""

import re
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.pages import ROOT, blocks

pytestmark = pytest.mark.django

EXAMPLE = ROOT / "examples" / "two-continents"
README = (EXAMPLE / "README.md").read_text()
PORTS = range(16_000, 17_000, 10)
OFFSETS = (1, 3, 1_001, 1_003)


def free_port() -> int:
    """Return a port behind which those of the site and of both nodes are free."""
    for port in PORTS:
        with suppress(OSError), ExitStack() as held:
            for offset in OFFSETS:
                held.enter_context(socket.create_server(("127.0.0.1", port + offset)))
            return port
    raise AssertionError("no ports are free")


def test_with_positions_only_writes_go_across_and_each_visitor_sees_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it sees its own the visitor checks itself, behind each message.

    A record takes longer than an answer, so a follower that is not told the position lacks it.
    """
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    from measure import measured

    rows = measured(
        tmp_path,
        port=free_port(),
        round_trip_ms=100,
        record_ms=150,
        rounds=2,
        forms=["lag", "positions"],
    )

    across = {
        form: [re.sub(r".*\((\d+)\)", r"\1", cell) for cell in row] for form, row in rows.items()
    }
    assert across == {"lag": ["0", "1", "1"], "positions": ["0", "1", "0"]}


def test_its_page_tells_of_each_form_and_how_it_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    from measure import FORMS, PAGES

    assert "measure.py" in blocks(README, "sh")[0]
    assert f"| {' | '.join(PAGES)} |" in README
    assert re.findall(r"^\| (?:no|a) (.*?) \|", README, re.MULTILINE) == [
        form.split(" ", 1)[1] for form in FORMS.values()
    ]
