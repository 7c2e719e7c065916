"""The files of a log, as NFS shows them: how to open one, and how to ask what is there now."""

import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path

from sqlatch.kernel import nfs

_NFS_MAGIC = 0x6969
_AT_EMPTY_PATH, _AT_STATX_FORCE_SYNC, _AT_STATX_DONT_SYNC = 0x1000, 0x2000, 0x4000
_STATX_NLINK, _STATX_SIZE = 0x4, 0x200
_STATX_NLINK_AT, _STATX_SIZE_AT = slice(16, 20), slice(40, 48)
_BUFFER_BYTES = 256
"""As large as the result of statx, and larger than that of statfs."""


def flags(directory: Path) -> int:
    """Return the flags of every open: no symbolic link is followed, and no fifo waited for.

    O_DIRECT on NFS: while a client has a file open for writing, Linux keeps what it has cached of
    it though the server has said that the file is longer now, so a buffered read shows old bytes;
    and a buffered write may write the page around it. There it needs no alignment. Elsewhere it
    does, and is not needed.
    """
    flags = os.O_DSYNC | os.O_NOFOLLOW | os.O_NONBLOCK
    return flags | os.O_DIRECT if _is_nfs(directory) else flags


def length_bytes(descriptor: int) -> int:
    """Return the length of a file as its server has it now: on NFS one GETATTR. ESTALE if it was
    removed.

    By statx, since os.stat has no AT_STATX_FORCE_SYNC, and fstat may answer from what the NFS
    client has cached for up to a minute.
    """
    if sys.platform != "linux":
        return os.fstat(descriptor).st_size
    return _checked_length_bytes(descriptor, _AT_STATX_FORCE_SYNC)


def check_not_removed(descriptor: int) -> None:
    """ESTALE if a file was removed while it was open, as NFS says by itself. No server is asked."""
    if sys.platform == "linux":
        _checked_length_bytes(descriptor, _AT_STATX_DONT_SYNC)


def _checked_length_bytes(descriptor: int, flag: int) -> int:
    found = ctypes.create_string_buffer(_BUFFER_BYTES)
    mask = _STATX_NLINK | _STATX_SIZE
    if _libc().statx(descriptor, b"", _AT_EMPTY_PATH | flag, mask, found):
        raise _last_error("statx")
    if not any(found.raw[_STATX_NLINK_AT]):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    return int.from_bytes(found.raw[_STATX_SIZE_AT], sys.byteorder)


def is_there(path: Path) -> bool:
    """Return whether there is such a name. Path.exists may take other errors for False."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def names(directory: Path) -> list[str]:
    """Return the names in the `log` of a database, none if it has no log.

    FileNotFoundError if the directory of all databases is not there.
    """
    try:
        return [each.name for each in directory.iterdir()]
    except FileNotFoundError:
        # NFS remembers for 30 s that a name is not there, unless the directory is opened.
        nfs.open_directory(directory.parent.parent)
    try:
        nfs.open_directory(directory.parent)
        return [each.name for each in directory.iterdir()]
    except FileNotFoundError:
        return []


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable. On NFS they are, and are asked for anew after this."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_read_only(error: OSError) -> bool:
    """Return whether the error says that this process may not write there."""
    return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)


def _is_nfs(directory: Path) -> bool:
    """Return whether a directory is on NFS. Python has no statfs, and statvfs does not say."""
    if sys.platform != "linux":
        return False
    found = ctypes.create_string_buffer(_BUFFER_BYTES)
    if _libc().statfs(os.fsencode(directory), found):
        raise _last_error(str(directory))
    return int.from_bytes(found.raw[:8], sys.byteorder) == _NFS_MAGIC


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _last_error(of: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), of)
