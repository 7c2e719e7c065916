"""Every sample through `sam local invoke`, in Lambda's own containers.

    python -m tests.e2e.sam_local [SAMPLE ...]

For this machine's processor unless ARCHITECTURE names another, which needs emulation.
Needs Docker or Finch: the exit status is 3 where neither answers, and 1 if an answer is not the
expected one. `sam local invoke` itself exits with 0 also when the function failed, so its output
is read.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.e2e.artifact import ROOT
from tests.samples import EXPECTED, SAMPLES, function_of
from tools.artifact import own_architecture

SAM = [".venv-sam/bin/python", "-m", "tools.sam"]
SETTINGS = ["--env-vars", "events/local-env.json"]
"""Told, as the CLI looks for samconfig.toml, which names it too, beside the template."""
ASK_FOR_ENGINE = "from samcli.local.docker import utils; utils.get_validated_container_client()"
BUILT = Path(".aws-sam/local")
DIRECTORY = Path(".aws-sam/databases")

INVOKE_S = 900
"""The first one pulls Lambda's image, some 200 MB."""
SHOWN_CHARACTERS_MAX = 2000
NO_ENGINE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(arguments)
    if not _engine_answers():
        sys.stdout.write("NOTHING WAS RUN: no container engine answers (Docker or Finch)\n")
        return NO_ENGINE
    if options.template is None:
        options.template = BUILT / "template.yaml"
        subprocess.run(
            [sys.executable, "-m", "tools.artifact", "build", "--build-dir", BUILT],
            cwd=ROOT,
            env={"ARCHITECTURE": own_architecture(), **os.environ},
            check=True,
        )
    wrong = [sample for sample in options.samples if not _is_right(sample, options)]
    sys.stdout.write(f"{len(options.samples) - len(wrong)} of {len(options.samples)} as expected\n")
    return min(len(wrong), 1)


def _engine_answers() -> bool:
    asked = subprocess.run(
        [SAM[0], "-c", ASK_FOR_ENGINE], cwd=ROOT, capture_output=True, check=False
    )
    return asked.returncode == 0


def _is_right(sample: str, options: argparse.Namespace) -> bool:
    """Invoke the sample's function; print what was expected and what came."""
    event = ROOT / "events" / "samples" / f"{sample}.json"
    function = function_of(json.loads(event.read_bytes()))
    answer = _invoke(function, event, options)
    expected = EXPECTED[sample]
    right = expected.is_met_by(answer)
    shown = json.dumps(answer, ensure_ascii=False) if not isinstance(answer, str) else answer
    sys.stdout.write(
        f"{'ok   ' if right else 'WRONG'} {sample} ({function})\n"
        f"      expected {expected.words}\n"
        f"      got      {shown[-SHOWN_CHARACTERS_MAX:]}\n"
    )
    sys.stdout.flush()
    return right


def _invoke(function: str, event: Path, options: argparse.Namespace) -> Any:
    """Return the function's answer, the type and message of its error, or all that was printed."""
    ran = subprocess.run(
        [*SAM, options.directory, "local", "invoke", function,
         "--template", options.template, *SETTINGS, "--event", event],
        cwd=ROOT, capture_output=True, text=True, timeout=INVOKE_S, check=False,
    )  # fmt: skip
    lines = ran.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        return ran.stdout + ran.stderr
    if isinstance(answer, dict) and "errorType" in answer:
        return {name: answer.get(name) for name in ("errorType", "errorMessage")}
    return answer


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [path.stem for path in SAMPLES]
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.sam_local", description=__doc__)
    parser.add_argument("--template", type=Path, help=f"a built one; else {BUILT} is built")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="the containers' /tmp")
    parser.add_argument("samples", nargs="*", default=names, metavar="SAMPLE")
    options = parser.parse_args(arguments)
    if unknown := set(options.samples) - set(names):
        parser.error(f"no such sample: {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
