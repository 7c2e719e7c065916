"""The header of a database file, which names the state that the database is in."""

from hashlib import sha256

from sqlatch.kernel import nfs
from storage.connection import Session
from storage.translate import FOREIGN_ERRORS

HEADER_BYTES = 100
DIGEST_DIGITS = 32


def header_digest(session: Session) -> str:
    """Return a digest of the file's header, which counts the commits, pages and free pages.

    Called in a transaction, whose lock makes an NFS client ask for the page that it is in. Read
    through SQLite: closing any other descriptor of the file would drop its locks.
    """
    return sha256(_header(session)).hexdigest()[:DIGEST_DIGITS]


def counts_commits(session: Session) -> bool:
    """Return whether each commit changes the header. In WAL mode it does not."""
    return nfs.WAL_VERSION not in _header(session)[nfs.VERSIONS_OFFSET : nfs.VERSIONS_OFFSET + 2]


def _header(session: Session) -> bytes:
    try:
        _is_whole, header = session.connection.read("main", 0, 0, HEADER_BYTES)
    except FOREIGN_ERRORS as error:
        raise session.translated(error, "") from error
    return bytes(header)
