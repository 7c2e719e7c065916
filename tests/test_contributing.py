"""CONTRIBUTING.md: the commands that land a change are those that CI runs."""

import re

from tests.cloudformation import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def test_what_lands_a_change_is_what_ci_runs() -> None:
    lanes = (ROOT / ".ci" / "run").read_text()
    beside = re.findall(r"^\| .+ \| .+ \| (`.+`) \|$", PAGE, re.MULTILINE)
    commands = {name for cell in beside for name in re.findall(r"`make ([a-z0-9-]+)", cell)}

    for command in {"check", "test", *commands} - {"bench", "mutants"}:
        assert re.search(rf"[ ']{command}\b", lanes), command
