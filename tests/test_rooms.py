"""The contracts of import-linter: what a room may import. Each is broken once in a copy."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cloudformation import ROOT
from tools import artifact

LINT = Path(sys.executable).with_name("lint-imports")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

LAYERS = "handler composes the rooms, hrana is one of its doors; all stand on the errors"
KERNEL_ONLY = "the service imports only the kernel of sqlatch"
KERNEL = "the kernel imports nothing but itself"
AWS = "only what is called beside requests, and a caller's transports, load the AWS SDK"
SQLITE = "only storage speaks to SQLite (locking has a table in a file of its own)"
ENGINES = "what is above storage knows no engine, but for the one place where it is chosen"
SHARED = "what all engines share knows none of them"
STORAGE = "contract and lease know nothing of how a database is kept"
PURE = "the contract is pure: no clock, no environment, no files"

PLANTS = [
    ("events/http.py", "from sqlatch.client import connect", {KERNEL_ONLY}),
    ("events/http.py", "from sqlatch.errors import Timeout", {KERNEL_ONLY}),
    ("handler/query.py", "from sqlatch.django import lag", {KERNEL_ONLY}),
    ("handler/health.py", "from sqlatch import __version__", {KERNEL_ONLY}),
    ("hrana/http.py", "import sqlatch.transports.http", {KERNEL_ONLY}),
    ("locking/lease.py", "import sqlatch.failures", {KERNEL_ONLY}),
    ("sqlexec/execute.py", "from sqlatch import Client", {KERNEL_ONLY}),
    ("sqlatch/kernel/errors.py", "from sqlatch.failures import UNKNOWN", {KERNEL}),
    ("sqlatch/kernel/hints.py", "from sqlatch import Client", {KERNEL}),
    ("sqlatch/kernel/values.py", "import locking.clock", {KERNEL, LAYERS}),
    ("sqlatch/client.py", "import sqlexec.database", {LAYERS}),
    ("sqlexec/execute.py", "import boto3", {AWS}),
    ("locking/dynamodb.py", "import botocore", {AWS}),
    ("locking/leases.py", "import apsw", {SQLITE}),
    ("sqlexec/execute.py", "import apsw", {SQLITE}),
    ("sqlexec/database.py", "from storage.inplace.files import Files", {ENGINES}),
    ("handler/transfer.py", "import storage.inplace.copies", {ENGINES}),
    ("storage/scratch.py", "import storage.inplace.store", {SHARED}),
    ("storage/policy.py", "import sqlexec.idempotency", {LAYERS}),
    ("events/reply.py", "import storage.translate", {STORAGE}),
    ("events/reply.py", "import time", {PURE}),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all: import-linter reads again only the module that changed."""
    copy = tmp_path_factory.mktemp("rooms")
    for room in SETTINGS["root_packages"]:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", copy / "pyproject.toml")
    return copy


@contextmanager
def planted(module: Path, line: str) -> Iterator[None]:
    """Append a line to a module inside."""
    text = module.read_text()
    try:
        module.write_text(f"{text}\n{line}\n")
        yield
    finally:
        module.write_text(text)


def broken(directory: Path) -> set[str]:
    """Return the names of the contracts that the code in a directory breaks."""
    done = subprocess.run(
        [LINT],
        cwd=directory,
        env={"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    names = [contract["name"] for contract in SETTINGS["contracts"]]
    found = {name for name in names if f"\n{name} BROKEN" in done.stdout}
    assert done.returncode == bool(found), done.stdout
    return found


def test_the_code_breaks_no_contract(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.parametrize(("module", "line", "contracts"), PLANTS)
def test_a_forbidden_import_breaks_its_contract(
    copy: Path, module: str, line: str, contracts: set[str]
) -> None:
    with planted(copy / module, line):
        assert broken(copy) == contracts


def test_each_room_is_under_the_contracts_and_in_the_artifact() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    rooms = packages - {"benchmarks", "examples", "tests", "tools"}
    contracts = {contract["name"]: contract for contract in SETTINGS["contracts"]}

    assert set(SETTINGS["root_packages"]) == rooms
    assert set(contracts[KERNEL_ONLY]["source_modules"]) == rooms - {"sqlatch"}
    assert set(contracts[KERNEL]["forbidden_modules"]) == rooms - {"sqlatch"} | {"sqlatch.*"}
    assert set(artifact.ROOMS) == rooms - {"sqlatch"} | {"sqlatch/kernel"}


def test_each_contract_is_planted() -> None:
    broken_once = {name for _, _, contracts in PLANTS for name in contracts}

    assert broken_once == {contract["name"] for contract in SETTINGS["contracts"]}
