"""A machine that does not boot is a reason to skip, and told with what it showed last."""

import subprocess
from pathlib import Path

import pytest

from tests.nfs import lab
from tests.nfs.machines import ROOMS, Boot, Command, Qemu, UserModeLinux
from tests.writers import ROOT

pytestmark = pytest.mark.nfs


class Panicking(UserModeLinux):
    name = "a kernel that panics"

    def command(self, boot: Boot, *, name: str, address: str, tap: str) -> Command:
        lines = "booting\n\nkernel panic: no init\nrebooting"
        return ["sh", "-c", f"echo '{lines}'; exit 1"]


class Silent(UserModeLinux):
    name = "a kernel that never answers"
    boots_within_s = 1.0

    def command(self, boot: Boot, *, name: str, address: str, tap: str) -> Command:
        return ["sleep", "60"]


def test_machines_that_do_not_boot_are_told_with_their_last_lines(
    the_lab: lab.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(lab.CHOSEN, raising=False)
    monkeypatch.setattr(lab, "build", lambda _name: the_lab.built)
    monkeypatch.setattr(lab, "MACHINES", {"panics": Panicking, "silent": Silent})

    with pytest.raises(lab.Unavailable) as none, lab.lab(tmp_path):
        pass

    assert str(none.value) == (
        "a kernel that panics: booting | kernel panic: no init | rebooting;"
        " a kernel that never answers: nothing on its console"
    )


def test_the_disk_of_an_emulated_machine_has_the_code(the_lab: lab.Lab, tmp_path: Path) -> None:
    Qemu().prepare(Boot(the_lab.built, ROOT, tmp_path))

    asked = ["debugfs", "-R", "ls -p /", str(tmp_path / "code.ext4")]
    listed = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert {name for name in ROOMS if f"/{name}/" in listed} == set(ROOMS)


def test_the_next_machine_is_taken_where_one_does_not_boot(
    the_lab: lab.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(lab.CHOSEN, raising=False)
    monkeypatch.setattr(lab, "build", lambda _name: the_lab.built)
    machine = type(the_lab.a._machine)
    monkeypatch.setattr(lab, "MACHINES", {"panics": Panicking, "boots": machine})

    with lab.lab(tmp_path) as running:
        assert running.b.shell("cat /etc/debian_version").startswith("12")
