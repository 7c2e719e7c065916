"""The environment of a process that calls AWS, with keys and a region."""

import pytest

from tests.dynamodb_server import CREDENTIALS


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
