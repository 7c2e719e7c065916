"""The lab for the tests beside this file, or the reason why there is none."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.nfs.lab import Lab, Unavailable, lab


@pytest.fixture(scope="session")
def the_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    try:
        with lab(tmp_path_factory.mktemp("nfs")) as running:
            yield running
    except Unavailable as error:
        pytest.skip(f"no NFS clients here: {error}")


@pytest.fixture
def environment(the_lab: Lab) -> dict[str, str]:
    """The environment of a function, with a directory of databases of the test's own."""
    return the_lab.directory(str(uuid4()))
