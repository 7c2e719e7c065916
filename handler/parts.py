"""The parts of a service beside its databases. Each is made when it is needed first.

Most requests need none of them, and to load them is most of a cold start.
"""

import threading
from functools import cached_property
from typing import TYPE_CHECKING

from handler.settings import Settings
from locking.clock import Clock

if TYPE_CHECKING:
    from handler.nodes.leaders_files import LeadersFiles
    from handler.nodes.leading import Leading
    from handler.tokens import Tokens
    from handler.turn import Turn
    from hrana.baton import Batons
    from hrana.files import Files
    from locking.leases import Leases
    from sqlatch.kernel.aws.s3 import Bucket
    from sqlatch.kernel.node import Nodes
    from storage.nodes import Tail


class Parts:
    """The parts of a service of these settings."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.tails: dict[str, Tail] = {}
        self.making = threading.Lock()

    @cached_property
    def leases(self) -> "Leases":
        """Made when the first lease is taken: a process that only reads loads no calls to AWS."""
        from locking.leases import Leases
        from locking.tables import open_table

        return Leases(open_table(self.settings.leases), clock=self.clock)

    @cached_property
    def tokens(self) -> "Tokens":
        """Made when the first token is checked: most requests bring none."""
        from handler.tokens import Tokens

        return Tokens(self.token_keys)

    @property
    def token_keys(self) -> str:
        """The public keys that tokens are checked with: at a follower those of the leader."""
        if self.settings.nodes and not self.settings.token_keys:
            return self.leaders_files.token_keys
        return self.settings.token_keys

    @cached_property
    def leaders_files(self) -> "LeadersFiles":
        """The keys of the node that is followed, asked for once."""
        from handler.nodes.leaders_files import LeadersFiles

        return LeadersFiles(self._followed)

    @cached_property
    def batons(self) -> "Batons":
        """Made when the first stream comes."""
        from hrana.baton import Batons

        return Batons(self.stream_files)

    @cached_property
    def stream_files(self) -> "Files":
        if self.settings.nodes:
            return self.leaders_files
        from handler.beside import stream_files_of

        return stream_files_of(self.settings, self.clock)

    @cached_property
    def results(self) -> "Bucket":
        """The bucket of whole results."""
        from sqlatch.kernel.aws.s3 import Bucket

        return Bucket(self.settings.results_place[0])

    @property
    def leader(self) -> "Nodes":
        """The nodes that are asked what is not for this one; LeaderUnreachable if none leads."""
        return self._followed if self.settings.nodes else self.leading.nodes()

    @cached_property
    def _followed(self) -> "Nodes":
        from sqlatch.kernel.node import Nodes

        return Nodes(self.settings.nodes, self.settings.log_token)

    @cached_property
    def leading(self) -> "Leading":
        """Made with the first write, where there is a leader."""
        from handler.nodes.leading import Leading
        from locking.tables import open_table

        return Leading(
            self.settings,
            clock=self.clock,
            open_table=lambda: open_table(self.settings.leases),
        )

    @cached_property
    def turn(self) -> "Turn":
        from handler.beside import turn_of

        return turn_of(self.settings, self.clock)
