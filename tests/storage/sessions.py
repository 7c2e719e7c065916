"""The connections that files in place are kept open by, from below the seam."""

from storage.connection import Session
from storage.engine import Store
from storage.inplace import store


def sessions_of(kept: Store) -> tuple[Session | None, Session | None]:
    """Return the connection that reads and the one that writes."""
    assert isinstance(kept, store.Store)
    return kept._reader, kept._writer
