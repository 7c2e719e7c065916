"""The console in Chromium: its first paint, and the frames while 100,000 rows are scrolled.

    python -m benchmarks.console [ROUNDS]       5 unless given

The server is `sqlatch serve`, the data flights of the demo. Each round has a new profile of the
browser, which knows nothing of the page. The median of the rounds, and the worst.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.table import Table

from tests.console.conftest import CHROMIUM, OPTIONS, TIMEOUT_MS, run, served, status
from tests.local_server import ROOT

ROWS = 100_000
SCROLLED_S = 3.0

PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"

SCROLL = """async ([seconds, way]) => {
  const grid = document.querySelector(".grid");
  const ends = performance.now() + seconds * 1000;
  const range = grid.scrollHeight - grid.clientHeight;
  let [frames, begun, place] = [0, performance.now(), 0];
  while (performance.now() < ends) {
    place = way === "steady" ? (place + 84) % range : Math.random() * range;
    grid.scrollTop = place;
    await new Promise(requestAnimationFrame);
    frames += 1;
  }
  return frames / ((performance.now() - begun) / 1000);
}"""
"""Three rows further in each frame, as a wheel does, or to any place, as who drags the bar does."""


def measured(
    browser: Any, directory: Path, rounds: int, rows: int = ROWS
) -> list[dict[str, float]]:
    """Return the figures of each round: milliseconds, and frames a second."""
    databases = directory / "databases"
    subprocess.run(
        [sys.executable, "-m", "examples.flights", "--databases", databases, "--rows", f"{rows}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    with (directory / "log").open("w") as log, served(databases, log) as link:
        return [_round(browser, link, rows) for _ in range(rounds)]


def _round(browser: Any, link: str, rows: int) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(TIMEOUT_MS)
    try:
        page: Page = context.new_page()
        page.goto(link)
        page.wait_for_function(PAINT)
        figures = {"first paint, ms": float(page.evaluate(PAINT))}
        run(page, "SELECT * FROM flights")
        status(page, f"{rows:,} rows")
        for way in ("steady", "jumps"):
            asked = [SCROLLED_S, way]
            figures[f"frames a second, {way}"] = float(page.evaluate(SCROLL, asked))
        return figures
    finally:
        context.close()


def main(arguments: Sequence[str]) -> None:
    rounds = int(arguments[0]) if arguments else 5
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        found = measured(browser, Path(directory), rounds)
        browser.close()
    table = Table("", "median", "worst")
    for name in found[0]:
        each = [figures[name] for figures in found]
        worst = min(each) if name.startswith("frames") else max(each)
        table.add_row(name, f"{statistics.median(each):.0f}", f"{worst:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
