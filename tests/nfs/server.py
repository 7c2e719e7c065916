"""The NFS server: nfs-ganesha, run from the lab's Debian root on the machine itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.nfs.network import HOST, Network, kill

LEASE_S = 10
"""How long the server keeps the locks of a client that is silent. What EFS's is, is not known."""

GRACE_S = 2
PORT = 2049
STARTS_WITHIN_S = 30

CONFIGURATION = """
NFS_CORE_PARAM {{
    Protocols = 4; Bind_addr = {host}; NFS_Port = {port};
    Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
    Plugins_Dir = "{root}/usr/lib/x86_64-linux-gnu/ganesha";
}}
NFSv4 {{
    Lease_Lifetime = {lease_s}; Grace_Period = {grace_s}; Delegations = false; Minor_Versions = 1;
    RecoveryBackend = fs; RecoveryRoot = "{run}/recovery";
    UseGetpwnam = true; DomainName = "lab"; Only_Numeric_Owners = true; Allow_Numeric_Owners = true;
}}
LOG {{ Default_Log_Level = EVENT; }}
EXPORT {{
    Export_Id = 1; Path = {export}; Pseudo = /; Access_Type = RW; Squash = No_Root_Squash;
    SecType = sys; Protocols = 4; Transports = TCP; FSAL {{ Name = VFS; }}
}}
"""
"""As EFS: NFSv4.1 alone, and no delegations."""


@contextmanager
def serving(network: Network, *, root: Path, run: Path, export: Path) -> Iterator[None]:
    """Serve a directory inside the block."""
    for directory in (run / "recovery/v4recov", run / "recovery/v4old", export):
        directory.mkdir(parents=True)
    configuration = run / "ganesha.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=HOST,
            port=PORT,
            root=root,
            run=run,
            export=export,
            lease_s=LEASE_S,
            grace_s=GRACE_S,
        )
    )
    libraries = root / "usr/lib/x86_64-linux-gnu"
    # With the root's own loader and libraries, so that it runs whatever the machine's are.
    command: list[str | Path] = [
        libraries / "ld-linux-x86-64.so.2",
        "--library-path",
        f"{libraries}:{libraries}/ganesha:{root}/usr/lib/ganesha",
        root / "usr/bin/ganesha.nfsd",
        *("-F", "-f", configuration, "-L", run / "ganesha.log", "-p", run / "ganesha.pid"),
    ]
    process = network.start(command, log=run / "ganesha.out")
    try:
        _wait_until_it_listens(network)
        yield
    finally:
        kill(process)


def _wait_until_it_listens(network: Network) -> None:
    give_up_at_s = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            network.connect(HOST, PORT, timeout_s=1).close()
        except OSError:
            if time.monotonic() > give_up_at_s:
                raise
            time.sleep(0.1)
        else:
            return
