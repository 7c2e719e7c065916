"""Reads that caches understand: what they are known by, and how long they may be kept."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from events import http
from events.reply import ReplyForm, encoded
from events.request import QueryEvent
from handler.job import reply_of
from handler.record import Record
from sqlatch.kernel.errors import ReadOnly
from sqlatch.kernel.version import __version__
from sqlexec.statement import GrantNeeded, Job, Kind, Outcome
from sqlexec.versions import Unchanged
from storage.connection import sqlite_version
from storage.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from handler.service import Service
    from handler.settings import Settings

FORM = 1
"""The form of a reply: to be counted up where the same rows are written in another way."""

DIGEST_DIGITS = 32
SECOND_MS = 1_000

VARY = "accept-encoding, authorization, origin, sqlatch-at-least"
"""The headers of a request that make its answer another one."""

NO_STORE = {"cache-control": "no-store", "vary": VARY}


def answer(
    service: "Service",
    event: "Mapping[str, Any]",
    call: http.Call,
    request: QueryEvent,
    record: Record,
    *,
    ends_at_s: float,
) -> dict[str, Any]:
    """Answer a read in a URL."""
    read = _Read(service, call.etags, request, service.clock.now(), is_open=http.is_open(event))
    form = ReplyForm.ENCODED if call.accepts_gzip else ReplyForm.IN_TEXT
    try:
        outcome, meta = service.outcome(_for_a_cache(request), record, ends_at_s, form, read.run)
    except Unchanged as unchanged:
        return http.not_modified(read.headers(unchanged.version))
    return http.wrap_body(
        encoded({**reply_of(request, outcome.results), "meta": meta}),
        http.JSON,
        status=200,
        accepts_gzip=call.accepts_gzip,
        position=record.position,
        for_caches=read.headers(outcome.version),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """A read whose caller knows the answers of some ETags. One that `is_open` anybody may send."""

    service: "Service"
    known: frozenset[str]
    request: QueryEvent
    began_at_s: float
    is_open: bool

    def run(self, event: QueryEvent, job: Job, record: Record, deadline_s: float) -> Outcome:
        """Run it; Unchanged if its caller knows the answer."""
        record.kind = Kind.READ.value
        database = self.service.databases.get(event.database)
        try:
            return database.read_unless(job, self._is_known, deadline_s)
        except GrantNeeded as error:
            raise ReadOnly.of_statement() from error

    def headers(self, version: Version | None) -> "Mapping[str, str]":
        """Return the headers of an answer that follows from a version."""
        if version is None or not version.text:
            return NO_STORE
        control = _control(self.request, self.service.settings, self.began_at_s, version)
        return {
            # Weak: the bytes of two answers differ in how long they took.
            "etag": f'W/"{self._etag(version)}"',
            "cache-control": control if self.is_open else f"private, {control}",
            "vary": VARY,
        }

    def _is_known(self, version: Version) -> bool:
        return self._etag(version) in self.known

    def _etag(self, version: Version) -> str:
        settings, request = self.service.settings, self.request
        parameters = request.parameters
        named = sorted(parameters.items()) if isinstance(parameters, dict) else parameters
        parts = (
            (FORM, __version__, sqlite_version(), settings.rows_max, settings.result_bytes_max),
            (request.database, version.text),
            (request.query, named, request.rows_as, request.rows_max),
        )
        return sha256(repr(parts).encode()).hexdigest()[:DIGEST_DIGITS]


def _control(request: QueryEvent, settings: "Settings", began_at_s: float, version: Version) -> str:
    """Return how long an answer may be kept."""
    if isinstance(request.at, int) and settings.history_s >= 1:
        return f"max-age={int(settings.history_s)}, immutable"
    age_s = max(0.0, began_at_s - version.newest_at_s)
    left_s = int((request.max_age_ms or 0) / SECOND_MS - age_s)
    return f"max-age={left_s}, must-revalidate" if left_s > 0 else "no-cache"


def _for_a_cache(request: QueryEvent) -> QueryEvent:
    """Leave a second of the age that an answer may have to the cache, which counts in seconds."""
    max_age_ms = request.max_age_ms or 0
    if max_age_ms < SECOND_MS:
        return request
    return replace(request, max_age_ms=max_age_ms - SECOND_MS)
