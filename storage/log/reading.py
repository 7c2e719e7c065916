"""Reads of files that nobody appends to: copies and snapshots."""

import os


def read_at(descriptor: int, length_bytes: int, offset: int) -> bytes:
    """Return these bytes; fewer where the file ends. One call of the system may return fewer."""
    content = os.pread(descriptor, length_bytes, offset)
    while len(content) < length_bytes:
        more = os.pread(descriptor, length_bytes - len(content), offset + len(content))
        if not more:
            break
        content += more
    return content
