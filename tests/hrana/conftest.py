"""Keys for tokens, and callers that have one."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest

from handler.service import service
from sqlatch.tokens import new_key, sign
from tests.hrana.client import Client, execute

PRIVATE, PUBLIC = new_key()


def token(
    *, access: Literal["rw", "ro"] = "rw", databases: Any = "*", lifetime_s: int = 600
) -> str:
    return sign(PRIVATE, access=access, databases=databases, lifetime_s=lifetime_s)


@pytest.fixture
def keys(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    service.cache_clear()
    yield
    service().close()
    service.cache_clear()


@pytest.fixture
def client(keys: None) -> Client:
    return Client(token())


@pytest.fixture
def other(client: Client) -> Client:
    """Another caller, of the same database, with the same token."""
    return Client(client.token)


@pytest.fixture
def accounts(client: Client) -> None:
    """Two accounts of 100 each."""
    client.stream().ask(
        execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)"),
        execute("INSERT INTO account VALUES (1, 100), (2, 100)"),
    )
