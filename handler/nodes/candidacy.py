"""The process of a server that gets the lease of the leader for its node, and renews it."""

import os
import select
import sys
from contextlib import suppress
from dataclasses import replace
from typing import IO

from handler import log
from handler.nodes.leading import Leading
from handler.nodes.standing import Standing, standing_of
from handler.service import service
from locking.leader import Candidate, hand_over
from locking.lease import TableUnavailable
from sqlatch.kernel.errors import SqlatchError


class Candidacy:
    """A node's candidate, and the file that tells the other processes of the node how it stands."""

    def __init__(self, leading: Leading, candidate: Candidate, cluster: str) -> None:
        self.candidate = candidate
        self._leading = leading
        self._cluster = cluster
        self._clock = candidate.clock

    def step(self) -> None:
        """Ask who leads, once, and tell the others."""
        file = self._leading.file
        with file.locked():
            before = file.read()
            try:
                self.candidate.step(may_take=self._clock.boot() >= before.resigned_until_boot_s)
            finally:
                file.write(self._standing(before))

    def resign(self) -> None:
        """Give the lease back, so that nobody has to wait until it is over."""
        file = self._leading.file
        with file.locked():
            standing = file.read()
            file.write(Standing())
            if self.candidate.until_s:
                with suppress(TableUnavailable, SqlatchError):
                    hand_over(
                        self._leading.table,
                        self._cluster,
                        standing.version,
                        "",
                        now=self._clock.now,
                    )

    def _standing(self, before: Standing) -> Standing:
        seen, candidate = self.candidate.seen, self.candidate
        if seen is None:
            return Standing(resigned_until_boot_s=before.resigned_until_boot_s)
        return replace(
            standing_of(seen),
            seen_boot_s=candidate.seen_s,
            until_boot_s=candidate.until_s,
            until_s=candidate.until_epoch_s,
            resigned_until_boot_s=before.resigned_until_boot_s,
        )


def stand(commands: IO[bytes] = sys.stdin.buffer) -> None:
    """Stand for the lease until the input ends, which it does with the server."""
    settings = service().settings
    cluster = settings.cluster
    assert cluster is not None
    leading = service().leading
    candidate = Candidate(
        leading.table,
        cluster,
        settings.node,
        duration_s=settings.leader_lease_s,
        clock=service().clock,
    )
    candidacy = Candidacy(leading, candidate, cluster)
    term, trouble = 0, ""
    while True:
        before, said = trouble, ""
        try:
            candidacy.step()
        except TableUnavailable as error:
            said = f"the lease table does not answer: {error}"
        except SqlatchError as error:
            said = error.message
        trouble = said
        if trouble and trouble != before:
            log.lines().warning("%s: who leads %s is not known", trouble, cluster)
        leads = candidate.seen.number if candidate.seen and candidate.until_s else 0
        if leads != term:
            what = f"leads {cluster}, term {leads}" if leads else f"no longer leads {cluster}"
            log.lines().info("%s %s", settings.node, what)
        term = leads
        if select.select([commands], [], [], candidate.poll_s)[0] and not os.read(0, 1):
            break
    candidacy.resign()
