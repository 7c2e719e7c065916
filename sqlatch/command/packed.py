"""The bytes of a file: as they are, or unpacked; and a pipe, kept as a file while it is loaded."""

import lzma
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from typing import IO

from sqlatch.command.journal import SUFFIX as JOURNAL_SUFFIX

HEAD_BYTES = 16
COPY_BYTES = 1024 * 1024

_PACKED = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bz2": re.compile(rb"BZh[1-9]1AY&SY"),
    "lzma": re.compile(rb"\xfd7zXZ\0"),
    "compression.zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
"""The standard library's modules, by how what they pack begins."""

SUFFIXES = (".gz", ".bz2", ".xz", ".zst")

BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""The errors of reading a file whose packing is cut off or damaged."""

Told = Callable[[int], None]
"""Is told how many bytes of the file were read."""


class CannotUnpack(Exception):
    """This Python has no module that unpacks the file; says what does."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file itself, and its content: the same, or unpacked. The first bytes tell which."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        packing = next((name for name, begins in _PACKED.items() if begins.match(head)), None)
        if packing is None:
            yield file, file
            return
        try:
            module = import_module(packing)
        except ImportError as error:
            raise CannotUnpack(
                f"{path} is packed by {packing.rpartition('.')[2]}, which this Python cannot"
                " unpack (3.14 can): pipe it, as in `zstd -dc FILE | sqlatch load --table NAME -`"
            ) from error
        with module.open(file, "rb") as content:
            yield file, content


def unpacked_name(path: Path) -> Path:
    """The name of a file without the suffix of its packing: t.csv of t.csv.gz."""
    return path.with_suffix("") if path.suffix.lower() in SUFFIXES else path


@contextmanager
def kept(pipe: IO[bytes], told: Told) -> Iterator[Path]:
    """The content of a pipe as a file, in a directory that only its owner can read.

    It is removed at the end, unless the journal of a load that stopped stands beside it.
    """
    directory = Path(tempfile.mkdtemp(prefix="sqlatch-load-"))
    path = directory / "rows"
    try:
        with path.open("xb") as file:
            while content := pipe.read(COPY_BYTES):
                file.write(content)
                told(file.tell())
        yield path
    finally:
        if not any(directory.glob(f"*{JOURNAL_SUFFIX}")):
            rmtree(directory)
