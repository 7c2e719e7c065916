"""The directory of a log and of its copies, as it is: below `shared` and `copies`."""

import os
import shutil
from pathlib import Path

from storage.log.bookmark import APPLYING
from tests.faults.disk import Image
from tests.journal import JOURNAL_MAGIC

SHARED, COPIES = "shared", "copies"
LOCK = ".lock"
"""The end of the name of a slot's lock, which ends with its process."""

_HOLE_BYTES_MIN = 1 << 30
"""A file of this length is a sealed segment: its content, and a hole behind it."""
_LENGTH_BYTES = 8

STATE = slice(8, 12)
"""Where the bookmark of a copy says whether it is torn."""
TORN = APPLYING.to_bytes(4, "little")


def image_of(directory: Path) -> Image:
    """Every file by its path, and every directory, with a slash behind it."""
    image: Image = {}
    for path, names, files in os.walk(directory):
        base = Path(path).relative_to(directory)
        image |= {f"{base / name}/": b"" for name in names}
        image |= {
            str(base / name): stored(*_read(Path(path, name)))
            for name in files
            if not name.endswith(LOCK)
        }
    return image


def put_image(directory: Path, image: Image) -> None:
    """Make the directory hold these files and no other."""
    for name in (SHARED, COPIES):
        shutil.rmtree(directory / name, ignore_errors=True)
        (directory / name).mkdir()
    for name in sorted(image):
        path = directory / name
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            content, length = content_of(image[name])
            path.write_bytes(content)
            if length > len(content):
                os.truncate(path, length)


def stored(content: bytes, length: int) -> bytes:
    """A file as an image has it: its length, and its content up to the last byte that is not 0."""
    return length.to_bytes(_LENGTH_BYTES, "big") + content.rstrip(b"\0")


def content_of(file: bytes) -> tuple[bytes, int]:
    return file[_LENGTH_BYTES:], int.from_bytes(file[:_LENGTH_BYTES], "big")


def is_torn(image: Image) -> bool:
    """Return whether a copy has a hot journal, or records that are half applied."""
    return any(
        (name.endswith("/db-journal") and content_of(file)[0].startswith(JOURNAL_MAGIC))
        or (name.endswith("/pos") and content_of(file)[0][STATE] == TORN)
        for name, file in image.items()
    )


def part_of(image: Image, name: str) -> Image:
    """What the image has below that name."""
    return {path: file for path, file in image.items() if path.startswith(name)}


def _read(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        if length < _HOLE_BYTES_MIN:
            return file.read(), length
        end = os.lseek(file.fileno(), 0, os.SEEK_HOLE)
        return os.pread(file.fileno(), end, 0), length
