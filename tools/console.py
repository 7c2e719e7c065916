"""The bundle of the console: its modules and libraries as one script and one style sheet.

    python -m tools.console DIRECTORY     make the files of the page there

The libraries are those of console/package-lock.json, which `make bundle` installs into build/.
The same sources give the same bytes, whatever the machine.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path("console/src")
LIBRARIES = Path("build/console/node_modules")
COPIED = ("console.html", "icon.svg")
"""Files of the page that are served as they are written."""


def bundle(directory: Path) -> None:
    """Make the files of the page in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(SOURCES / name, directory / name)
    subprocess.run(
        [LIBRARIES / ".bin" / "esbuild", SOURCES / "app.js", SOURCES / "app.css",
         "--bundle", "--minify", "--format=esm", "--target=chrome114,firefox115,safari17",
         "--charset=utf8", "--legal-comments=eof", "--log-level=warning", f"--outdir={directory}"],
        env={**os.environ, "NODE_PATH": str(LIBRARIES.resolve())},
        check=True,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the files where the caller says."""
    (directory,) = sys.argv[1:] if arguments is None else arguments
    bundle(Path(directory))


if __name__ == "__main__":
    main()
