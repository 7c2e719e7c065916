"""From an empty directory to the first query, by the commands of docs/getting-started.md.

python -m benchmarks.first_query     after `make wheel`; with pip's cache and without
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "getting-started.md"
PROMPT = "sqlatch query"
"""The last line that the server prints when it is ready."""


def commands() -> tuple[str, str, str]:
    """Return the commands of the page that install, serve and ask first."""
    install, serve, ask, *_others = re.findall(
        r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return install, serve, ask


def measured(directory: Path, environment: dict[str, str]) -> dict[str, float]:
    """Run the commands in a directory; the seconds until each of them was over."""
    install, serve, ask = commands()
    install = install.replace("../sqlatch/", f"{ROOT}/")
    activate = ". .venv/bin/activate\n"
    started = perf_counter()
    seconds = {}
    _run(install, directory, environment)
    seconds["installed"] = perf_counter() - started
    with subprocess.Popen(
        ["bash", "-ec", f"{activate}exec {serve}"], cwd=directory, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        try:
            while not server.stdout.readline().startswith(PROMPT):
                assert server.poll() is None
            seconds["served"] = perf_counter() - started
            _run(ask, directory, environment)
            seconds["answered"] = perf_counter() - started
        finally:
            server.send_signal(signal.SIGTERM)
    return seconds


def main() -> None:
    """Print the seconds of a first time, and of one that finds what pip has kept."""
    with TemporaryDirectory() as cache:
        for name in ("without pip's cache", "with pip's cache"):
            with TemporaryDirectory() as directory:
                environment = os.environ | {"PIP_CACHE_DIR": cache}
                seconds = measured(Path(directory), environment)
            told = ", ".join(f"{what} after {one:.1f} s" for what, one in seconds.items())
            sys.stdout.write(f"{name}: {told}\n")


def _run(script: str, directory: Path, environment: dict[str, str]) -> None:
    subprocess.run(
        ["bash", "-ec", script], cwd=directory, env=environment, stdout=subprocess.DEVNULL,
        check=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
