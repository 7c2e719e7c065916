"""The connections that a database is kept open by, from below the seam."""

from storage.connection import Session
from storage.engine import Store
from storage.inplace import store
from storage.log import store as log_store


def sessions_of(kept: Store) -> tuple[Session | None, Session | None]:
    """Return the connection that reads and the one that writes."""
    assert isinstance(kept, store.Store | log_store.Store)
    return kept._reader, kept._writer
