"""Page times of a site whose leader is on another continent, in each form: `python measure.py`.

The table has medians in milliseconds and, behind them, the requests of the site that went across.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import median
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "three-nodes"))

from cluster import PAUSE_S, STARTS_S, Cluster
from ocean import Ocean

from sqlatch.client import connect
from sqlatch.errors import SqlatchError

FORMS = {
    "leader": "no follower",
    "lag": "a follower, and the router with a lag of 5 s",
    "positions": "a follower, and the router with positions",
    "node": "a follower, whose node sends writes on",
}
PAGES = ("a list", "a new message", "a list behind one's own message")
WARM = 3


class Continents(Cluster):
    """Node 1 leads on one continent. Node 3 follows on the other, where the site is too."""

    def __init__(self, directory: Path, port: int, one_way_s: float, record_s: float) -> None:
        super().__init__(directory, port)
        leader = int(self.url("node1").rpartition(":")[2])
        self.records, self.requests = Ocean(leader, record_s), Ocean(leader, one_way_s)
        self.form = ""

    def process_of(self, name: str) -> tuple[list[str], dict[str, str]]:
        command, variables = super().process_of(name)
        if name == "node1":
            variables.pop("SQLATCH_LEADER")  # it shares its log with no other node here
        if name == "node3":
            across = f"http://127.0.0.1:{self.records.port}"
            command[command.index("--log") + 1] = across
        if name == "site3":
            variables |= {
                "DJANGO_SETTINGS_MODULE": "settings",
                "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
                "FORM": self.form,
                "LEADER_URL": f"http://127.0.0.1:{self.requests.port}/wall/",
                "FOLLOWER_URL": f"{self.url('node3')}/wall/",
            }
        return command, variables

    def migrate(self) -> None:
        """Make the tables, and wait until the follower has them: else the site leaves it out."""
        super().migrate()
        ends = time.monotonic() + STARTS_S
        with connect(f"{self.url('node3')}/wall/", token=self.token) as follower:
            while True:
                try:
                    follower.query("SELECT count(*) FROM wall_message")
                except SqlatchError:
                    if time.monotonic() > ends:
                        raise
                    time.sleep(PAUSE_S)
                else:
                    return

    def serve(self, form: str) -> None:
        """Start the site in a form, in place of the one that runs."""
        if "site3" in self.running:
            self.running["site3"].terminate()
            self.running.pop("site3").wait()
        self.form = form
        self.start("site3")


class Visitor:
    """A browser: it keeps cookies, and notes what each page took and cost."""

    def __init__(self, continents: Continents) -> None:
        self._continents = continents
        self._noted: dict[str, list[tuple[float, int]]] = {page: [] for page in PAGES}

    def visit(self, rounds: int) -> None:
        for number in range(rounds):
            content = f"{self._continents.form} {number}"
            self._list(PAGES[0], self._browser())
            browser = self._browser()
            self._page(PAGES[1], browser, "create/", json.dumps({"content": content}).encode())
            newest = self._list(PAGES[2], browser)[0]["content"]
            if newest != content:
                raise SystemExit(f"wrote {content!r}, and then the newest was {newest!r}")

    def row(self) -> list[str]:
        """Return the median time of each page, with the requests that went across for it."""
        return [
            f"{median(time_ms for time_ms, _ in noted):.0f} ({median(n for _, n in noted):.0f})"
            for noted in self._noted.values()
        ]

    def _list(self, page: str, browser: OpenerDirector) -> list[dict[str, str]]:
        listed: list[dict[str, str]] = json.loads(self._page(page, browser, ""))["messages"]
        return listed

    def _page(
        self, page: str, browser: OpenerDirector, path: str, content: bytes | None = None
    ) -> bytes:
        url = f"{self._continents.url('site3')}/api/messages/{path}"
        across, began_s = self._continents.requests.requests, time.perf_counter()
        with browser.open(url, content) as answer:
            shown: bytes = answer.read()
        took_ms = (time.perf_counter() - began_s) * 1_000
        self._noted[page].append((took_ms, self._continents.requests.requests - across))
        return shown

    def _browser(self) -> OpenerDirector:
        return build_opener(HTTPCookieProcessor(CookieJar()))


def measured(
    directory: Path,
    *,
    port: int,
    round_trip_ms: float,
    record_ms: float,
    rounds: int,
    forms: Sequence[str],
) -> dict[str, list[str]]:
    """Return a row of the table for each form."""
    continents = Continents(directory, port, round_trip_ms / 2_000, record_ms / 1_000)
    rows = {}
    try:
        for name in ("node1", "node3"):
            continents.start(name)
        continents.migrate()
        for form in forms:
            continents.serve(form)
            Visitor(continents).visit(WARM)
            visitor = Visitor(continents)
            visitor.visit(rounds)
            rows[form] = visitor.row()
    finally:
        continents.end()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--round-trip-ms", type=float, default=250)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--port", type=int, default=8_000)
    parser.add_argument("--form", action="append", choices=FORMS, dest="forms")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        rows = measured(
            Path(directory),
            port=given.port,
            round_trip_ms=given.round_trip_ms,
            record_ms=given.round_trip_ms / 2,
            rounds=given.rounds,
            forms=given.forms or list(FORMS),
        )
    print(f"| ms (requests across) | {' | '.join(PAGES)} |\n|{'---|' * (len(PAGES) + 1)}")
    for form, row in rows.items():
        print(f"| {FORMS[form]} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
