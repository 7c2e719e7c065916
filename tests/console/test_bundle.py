"""The bundle is made of what stands in console/, and is small."""

import gzip
from pathlib import Path

from tools import console
from tools.artifact import PAGE

GZIPPED_BYTES_MAX = 600_000


def test_the_bundle_is_made_of_these_sources(tmp_path: Path) -> None:
    console.bundle(tmp_path)

    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    served = {path.name: path.read_bytes() for path in PAGE.iterdir()}
    assert made.keys() == served.keys()
    assert [name for name in made if made[name] != served[name]] == [], "run `make bundle`"


def test_the_bundle_is_small() -> None:
    sizes = [len(gzip.compress(path.read_bytes())) for path in PAGE.iterdir()]

    assert sum(sizes) < GZIPPED_BYTES_MAX
