"""Three samples through `sam local invoke`, in Lambda's own container: needs a Docker engine.

    python -m tests.e2e.sam_local PATH_OF_SAM

Its exit status is 0 also when the function failed, so what it prints is read.
"""

import json
import subprocess
import sys
from typing import Any

from tests.e2e.artifact import ROOT

DOCKER_S = 20
INVOKE_S = 300
SAMPLES: dict[str, tuple[str, Any]] = {
    "01-create": ("QueryFunction", lambda answer: answer["meta"]["wrote"]),
    "09-health": ("QueryFunction", lambda answer: answer["status"] == "ok"),
    "14-schedule": ("ReaperFunction", lambda answer: answer["failures"] == []),
}


def main(sam: str) -> int:
    """The exit status: 0 if every answer is right, or if there is no Docker engine."""
    if not _docker_answers():
        sys.stdout.write("skipped: no Docker engine answers, so nothing was run\n")
        return 0
    subprocess.run([sam, "build"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    wrong = 0
    for sample, (function, is_right) in SAMPLES.items():
        answer = _invoke(sam, function, sample)
        right = isinstance(answer, dict) and "errorType" not in answer and is_right(answer)
        wrong += not right
        sys.stdout.write(f"{sample}: {'ok' if right else 'WRONG'}: {json.dumps(answer)}\n")
    return min(wrong, 1)


def _docker_answers() -> bool:
    try:
        asked = subprocess.run(
            ["docker", "info"], capture_output=True, timeout=DOCKER_S, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _invoke(sam: str, function: str, sample: str) -> Any:
    """The function's answer: the last line that `sam local invoke` prints."""
    event = f"events/samples/{sample}.json"
    ran = subprocess.run(
        [sam, "local", "invoke", function, "--event", event],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=INVOKE_S,
        check=False,
    )
    lines = ran.stdout.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        return (ran.stdout + ran.stderr)[-2000:]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
