"""The recipe of what Lambda runs; tests/e2e runs what it makes."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest
import yaml

from storage import vectors
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


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the code of the artifact, and nothing else of the repository."""
    monkeypatch.chdir(ROOT)
    for path in artifact._code():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / path)
    return tmp_path


def modules_in(directory: Path) -> set[str]:
    paths = [path.relative_to(directory).with_suffix("") for path in directory.rglob("*.py")]
    return {".".join(path.parts).removesuffix(".__init__") for path in paths}


def loaded_in(directory: Path, program: str) -> set[str]:
    """Return the modules that are loaded after a program has run in a directory."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{program}\nimport sys; print(*sys.modules)"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_each_handler_of_the_templates_is_in_the_artifact(code: Path) -> None:
    templates = [ROOT / "template.yaml", ROOT / "docs" / "transfer.yaml"]
    handlers = {
        line.split()[1].removesuffix(".lambda_handler")
        for template in templates
        for line in template.read_text().splitlines()
        if line.strip().startswith("Handler: handler.")
    }

    assert {"handler.query", "handler.transfer"} <= handlers <= modules_in(code)


def test_every_module_of_the_artifact_loads_where_nothing_else_is(code: Path) -> None:
    loaded_in(code, f"for name in {sorted(modules_in(code))}: __import__(name)")


def test_of_sqlatch_the_artifact_has_what_a_request_loads_and_nothing_else(code: Path) -> None:
    calls = (
        "handler.links", "locking.dynamodb", "storage.follower.engine", "storage.log.cloud",
        "storage.log.upload",
    )  # fmt: skip
    aws = (
        f"sqlatch.kernel.aws.{name}" for name in ("multipart", "presigned", "proxy", "s3", "tls")
    )
    loaded = loaded_in(
        code, f"import handler.query, {', '.join((*calls, *aws, 'sqlatch.kernel.console'))}"
    )

    of_sqlatch = {name for name in loaded if name.split(".")[0] == "sqlatch"}
    assert of_sqlatch == {name for name in modules_in(code) if name.split(".")[0] == "sqlatch"}
    assert {"sqlatch", "sqlatch.kernel.errors"} <= of_sqlatch


def test_the_server_for_one_s_own_machine_is_left_out(code: Path) -> None:
    assert not {name for name in modules_in(code) if "local" in name}


def test_a_library_for_another_processor_is_not_packed(tmp_path: Path) -> None:
    """A wheel for arm64 had a library for 32-bit ARM, and one may have any other."""

    def head(bits: int, machine: int) -> bytes:
        return b"\x7fELF" + bytes([bits]) + bytes(13) + machine.to_bytes(2, "little")

    library = tmp_path / "vec0.so"
    for name, right, wrong in (
        ("arm64", head(2, 183), [head(1, 40), head(2, 62), b""]),
        ("x86_64", head(2, 62), [head(1, 3), head(2, 183), b"not a library"]),
    ):
        library.write_bytes(right)
        artifact.check_machine(tmp_path, name)
        for one in wrong:
            library.write_bytes(one)
            with pytest.raises(artifact.WrongMachine, match=r"vec0\.so is not a library for"):
                artifact.check_machine(tmp_path, name)


def test_what_is_installed_here_is_for_this_processor() -> None:
    for library in (Path(apsw.__file__), vectors.extension()):
        artifact.check_machine(library.parent, artifact.own_architecture())
