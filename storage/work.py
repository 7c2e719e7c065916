"""The cost of a request where databases are logs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace


@dataclass(slots=True)
class Work:
    """Counts of an engine that keeps logs, since they were last taken: records applied to copies,
    appends attempted, the bytes of their records, and the time and bytes of copies that were
    fetched from snapshots.
    """

    records_applied: int = 0
    attempts: int = 0
    bytes_shipped: int = 0
    hydration_ms: float = 0.0
    bytes_fetched: int = 0

    def taken(self) -> "Work":
        """Return the counts, which begin anew."""
        taken = replace(self)
        self.records_applied = self.attempts = self.bytes_shipped = self.bytes_fetched = 0
        self.hydration_ms = 0.0
        return taken

    @contextmanager
    def hydrating(self, size_bytes: int) -> Iterator[None]:
        """Count what is fetched in the block."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.hydration_ms += (time.perf_counter() - started_s) * 1000
            self.bytes_fetched += size_bytes
