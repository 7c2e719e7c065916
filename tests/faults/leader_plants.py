"""Bugs for the processes of nodes, which find them by their PYTHONPATH (`environment_of`)."""

import os
from pathlib import Path

from handler.nodes.leading import Leading
from handler.nodes.standing import Standing
from locking.leases import Leases
from tests.writers import ROOT

SITE = "from tests.faults import leader_plants\n\nleader_plants.no_check()\n"


def environment_of(directory: Path) -> dict[str, str]:
    """Return the variables with which each process of a node begins with the bug."""
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(SITE)
    return {"PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)])}


def no_check() -> None:
    """Whoever was the leader when the file was written is believed to lead, term or no term."""
    hold = Leases.hold

    def is_ours(self: Leading, standing: Standing) -> bool:
        return bool(standing.node) and standing.node == self._settings.node

    Leading._is_ours = is_ours
    Leases.hold = lambda self, *given, **named: hold(self, *given, **named | {"term": None})
