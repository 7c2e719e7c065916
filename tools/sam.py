"""The SAM CLI with what `sam local` lacks for this template: a directory that all containers share.

    .venv-sam/bin/python -m tools.sam DIRECTORY local invoke|start-api|start-lambda ...

DIRECTORY is made if it is not there, and mounted as the /tmp of each function's container, where
events/local-env.json has the databases and the leases. This runs in the SAM CLI's own environment,
which requirements/sam.txt pins; docs/sam-local.md says what it changes and why.
"""

import sys
from pathlib import Path
from typing import Any

from samcli.cli.main import cli
from samcli.lib.intrinsic_resolver.intrinsics_symbol_table import IntrinsicsSymbolTable
from samcli.local.docker.lambda_container import LambdaContainer

MOUNTED_AS = "/tmp"


def main(directory: str, *arguments: str) -> None:
    """Run a command of the SAM CLI. It ends the process with the command's exit status."""
    path = Path(directory).resolve()
    path.mkdir(parents=True, exist_ok=True)
    _mount(path)
    _resolve_no_value()
    cli(args=list(arguments), prog_name="sam")


def _mount(path: Path) -> None:
    """Mount the directory beside what the CLI mounts: the code, read-only, and a debugger."""
    mounts = LambdaContainer._get_additional_volumes

    def with_directory(runtime: Any, debug_options: Any) -> dict[str, Any]:
        return {**mounts(runtime, debug_options), str(path): {"bind": MOUNTED_AS, "mode": "rw"}}

    LambdaContainer._get_additional_volumes = staticmethod(with_directory)


def _resolve_no_value() -> None:
    """Resolve AWS::NoValue to nothing.

    The CLI resolves it to None, which its Fn::If then refuses: whatever has a branch of it stays
    unresolved, and `start-api` serves no route that depends on a condition.
    """
    IntrinsicsSymbolTable.handle_pseudo_no_value = staticmethod(dict)


if __name__ == "__main__":
    main(*sys.argv[1:])
