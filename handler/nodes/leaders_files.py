"""The keys and the files of streams at a node that follows another one: they are the leader's.

So each node can go on with a stream of any other. What is kept in files is for the leader.
"""

import base64
import json
import time
from functools import cached_property

from handler.nodes.following import KEY
from hrana.files import derived
from sqlatch.kernel.aws.answer import OK
from sqlatch.kernel.aws.errors import Unavailable
from sqlatch.kernel.aws.signature import Request
from sqlatch.kernel.errors import LeaderUnreachable
from sqlatch.kernel.node import LOG_ROOT, Nodes
from storage.nodes import ForLeader

CALL_S = 5.0


class LeadersFiles:
    """See `hrana.files.Files`."""

    def __init__(self, leader: Nodes) -> None:
        self._leader = leader

    def key(self) -> bytes:
        return base64.b64decode(self._said["key"])

    def key_of(self, database: str) -> bytes:
        return derived(self.key(), database)

    @property
    def token_keys(self) -> str:
        """The public keys that tokens are checked with at the leader."""
        return self._said["token_keys"]

    @cached_property
    def _said(self) -> dict[str, str]:
        answer = self._asked(f"{LOG_ROOT}/{KEY}", "SQLATCH_LOG_TOKEN one for all")
        try:
            said: dict[str, str] = json.loads(answer)
        except ValueError as error:
            raise self._unreachable(str(error)) from error
        return said

    def _asked(self, path: str, token: str) -> bytes:
        """Return what the leader keeps under a path; `token` says which one it needs."""
        try:
            answer = self._leader.ask(Request("GET", path), deadline_s=time.time() + CALL_S)
        except Unavailable as error:
            raise self._unreachable(str(error)) from error
        if answer.status != OK:
            raise self._unreachable(f"it answers with HTTP {answer.status}: is {token}?")
        return answer.body

    def _unreachable(self, reason: str) -> LeaderUnreachable:
        url = self._leader.url
        return LeaderUnreachable(f"the keys are those of the node {url}: {reason}", leader=url)

    def put(self, kind: str, content: bytes) -> str:
        raise ForLeader

    def append(self, name: str, size_bytes: int, content: bytes) -> bool:
        raise ForLeader

    def touch(self, name: str) -> None:
        raise ForLeader

    def get(self, name: str, size_bytes: int | None = None) -> bytes | None:
        raise ForLeader

    def clear(self, _now_s: float) -> int:
        return 0
