"""Settings: what is read from the environment, and the one line that says what is wrong."""

from dataclasses import asdict
from pathlib import Path

import pytest

from handler.settings import IN_LAMBDA, Settings, SettingsError, variable_of
from tests.conftest import Ask


def test_defaults_need_only_the_directory() -> None:
    settings = Settings.from_environment({"SQLATCH_DATABASES": "/mnt/databases"})

    assert asdict(settings) == {
        "databases": Path("/mnt/databases"),
        "log": "",
        "log_token": "",
        "leader": "",
        "node": "",
        "leader_lease_s": 10,
        "max_age_ms": 1_000,
        "copies": None,
        "leases": "sqlite:/mnt/databases/.leases.sqlite",
        "read_only": False,
        "create": "on-write",
        "vectors": False,
        "rows_max": 100_000,
        "result_bytes_max": 5_500_000,
        "results": "",
        "results_minutes": 60,
        "results_bytes_max": 1_000_000_000,
        "timeout_ms": 10_000,
        "idempotency_days": 5.0,
        "history_days": 7,
        "token_keys": "",
        "http_auth": "none",
        "jwt_databases_claim": "",
        "console": False,
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("databases", "", "SQLATCH_DATABASES: is not set: directory of the database files"),
        ("log", "elsewhere:x", "SQLATCH_LOG: must be directory:<path>, dynamodb:"),
        ("leases", "redis:x", "SQLATCH_LEASES: must be dynamodb:<table> or sqlite:<file>"),
        ("read_only", "perhaps", "SQLATCH_READ_ONLY: Input should be a valid boolean"),
        ("create", "always", "SQLATCH_CREATE: Input should be 'on-write' or 'never'"),
        ("rows_max", "many", "SQLATCH_ROWS_MAX: Input should be a valid integer"),
        ("result_bytes_max", "0", "SQLATCH_RESULT_BYTES_MAX: Input should be greater"),
        ("results", "bucket/prefix", "SQLATCH_RESULTS: must be s3://<bucket>/<prefix>, but it is"),
        ("results_minutes", "1441", "SQLATCH_RESULTS_MINUTES: Input should be less"),
        ("timeout_ms", "900001", "SQLATCH_TIMEOUT_MS: Input should be less"),
        ("idempotency_days", "-1", "SQLATCH_IDEMPOTENCY_DAYS: Input should be greater"),
        ("http_auth", "jwt", "SQLATCH_HTTP_AUTH: Input should be 'none' or 'token'"),
    ],
)
def test_a_wrong_setting_is_named_on_one_line(name: str, value: str, message: str) -> None:
    environment = {"SQLATCH_DATABASES": "/mnt/databases", variable_of(name): value}

    with pytest.raises(SettingsError) as wrong:
        Settings.from_environment(environment)

    assert str(wrong.value).startswith(message)
    assert "\n" not in str(wrong.value)


def test_on_lambda_the_lease_table_must_be_named() -> None:
    environment = {"SQLATCH_DATABASES": "/mnt/databases", IN_LAMBDA: "127.0.0.1:9001"}

    with pytest.raises(SettingsError, match="SQLATCH_LEASES: is not set; on Lambda"):
        Settings.from_environment(environment)


def test_databases_in_a_table_need_neither_a_directory_nor_leases() -> None:
    log = "dynamodb:records,s3://bucket/prefix"

    settings = Settings.from_environment({"SQLATCH_LOG": log, IN_LAMBDA: "127.0.0.1:9001"})

    assert settings.log_table == ("records", "bucket", "prefix/")
    assert (settings.log_directory, settings.leases) == (None, "")
    with pytest.raises(SettingsError, match="SQLATCH_DATABASES: is not set"):
        _ = settings.home


def test_a_wrong_setting_fails_at_the_first_request(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "none")

    for _request in range(2):
        with pytest.raises(SettingsError, match="SQLATCH_ROWS_MAX"):
            ask(query="SELECT 1")


@pytest.mark.parametrize(
    ("results", "bucket", "prefix"),
    [
        ("s3://b", "b", ""),
        ("s3://b/", "b", ""),
        ("s3://b.c/p", "b.c", "p/"),
        ("s3://b/p/q/", "b", "p/q/"),
    ],
)
def test_the_place_of_results_is_a_bucket_and_a_prefix(
    results: str, bucket: str, prefix: str
) -> None:
    settings = Settings.from_environment({"SQLATCH_DATABASES": "/d", "SQLATCH_RESULTS": results})

    assert settings.results_place == (bucket, prefix)
