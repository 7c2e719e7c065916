"""TLS to AWS, with the certificates that this system trusts."""

import os
import socket
import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path

RED_HAT = "/etc/pki/ca-trust/extracted/pem/directory-hash"
"""A directory of certificates named by hashes where OpenSSL's own, on Red Hat's systems and on
Amazon Linux, holds bundles only."""


def secured(connection: socket.socket, host: str) -> ssl.SSLSocket:
    """Return the connection with TLS, to that host; OSError if it cannot be trusted."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    context = context_of(bundle)
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError:
        if not bundle:
            # A directory may lack what the bundle beside it has: the next connection has both.
            context.load_default_certs()
        raise


@cache
def context_of(bundle: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    paths = roots(bundle, os.environ)
    if paths is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(**paths)
    return context


def roots(bundle: str | None, environment: Mapping[str, str]) -> dict[str, str] | None:
    """Return where the certificates lie, None for what OpenSSL takes by itself.

    In a directory that is named by hashes OpenSSL looks up what it needs, where it loads a bundle
    whole: 30 ms of a cold start.
    """
    if bundle:
        return {"capath" if Path(bundle).is_dir() else "cafile": bundle}
    default = ssl.get_default_verify_paths()
    if {default.openssl_cafile_env, default.openssl_capath_env} & environment.keys():
        return None
    for directory in (default.capath, RED_HAT):
        if directory and any(Path(directory).glob("*.0")):
            return {"capath": directory}
    if default.cafile is None:
        return {"cafile": _packed_bundle()}
    return None


def _packed_bundle() -> str:
    """Return the certificates that an SDK brings, for a system that has none."""
    try:
        from botocore.httpsession import where
    except ImportError as error:
        raise OSError("this system has no certificates, and botocore is not installed") from error
    return str(where())
