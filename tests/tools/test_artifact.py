"""The recipe of what Lambda runs; tests/e2e runs what it makes."""

from typing import Any

import pytest
import yaml

from tests.cloudformation import ROOT, Loader
from tools import artifact


def built(architecture: str) -> dict[str, Any]:
    """A built template, as `sam build` writes it."""
    written = yaml.safe_dump(
        yaml.load((ROOT / "template.yaml").read_text(), Loader), sort_keys=False
    )
    pinned: dict[str, Any] = yaml.safe_load(artifact.pinned(written, architecture))
    return pinned


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_what_is_built_for_one_processor_can_be_deployed_for_no_other(architecture: str) -> None:
    parameter = built(architecture)["Parameters"]["Architecture"]

    assert (parameter["AllowedValues"], parameter["Default"]) == ([architecture], architecture)


def test_nothing_but_the_architecture_is_pinned() -> None:
    original = yaml.load((ROOT / "template.yaml").read_text(), Loader)
    pinned = built("x86_64")

    del original["Parameters"]["Architecture"], pinned["Parameters"]["Architecture"]
    assert pinned == original


def test_a_template_of_another_shape_is_not_left_unpinned() -> None:
    with pytest.raises(artifact.NotPinned):
        artifact.pinned("Parameters:\n  Architecture:\n    Type: String\n", "arm64")


def test_the_code_of_the_artifact_is_what_lambda_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = set(map(str, artifact._code()))

    assert {"handler/query.py", "handler/transfer.py", "sqlatch/kernel/errors.py"} <= code
    assert not {path for path in code if "local" in path or "command" in path or "samples" in path}
