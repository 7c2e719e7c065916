"""docs/transfer.yaml beside template.yaml: what it imports, for each engine, and what it may do."""

from itertools import product
from typing import Any

import pytest

from handler.settings import Settings
from tests.cloudformation import exists, given, load, rendered
from tests.test_template import ENGINES, TEMPLATE, environment
from tests.test_template_choices import dangling, refusals

TRANSFER = load("docs/transfer.yaml")
TABLE = "dynamodb"
TRANSFERS: dict[str, tuple[str, ...]] = {
    "Engine": tuple(ENGINES),
    "BackupSchedule": ("", "rate(1 day)"),
    "ReplicaBucketArn": ("", "arn:aws:s3:::copies"),
    "AccessPointArn": ("", "arn:aws:elasticfilesystem:::access-point/1"),
    "KmsKeyArn": ("", "arn:aws:kms:us-east-1:111122223333:key/1"),
    "ReplicaKmsKeyArn": ("", "arn:aws:kms:eu-west-1:111122223333:key/2"),
}


ENCRYPTED = ("KmsKeyArn", "ReplicaBucketArn", "ReplicaKmsKeyArn")


@pytest.mark.parametrize("values", list(product(*TRANSFERS.values())), ids=str)
def test_nothing_in_the_transfer_stack_refers_to_what_is_not_made(values: tuple[str, ...]) -> None:
    parameters = given(TRANSFER, **dict(zip(TRANSFERS, values, strict=True)))
    key, to, key_there = (parameters[name] for name in ENCRYPTED)

    refused_by = refusals(TRANSFER, parameters)
    without_files = parameters["Engine"] == TABLE and bool(parameters["AccessPointArn"])
    assert ("RestoredFilesAreOfAFileSystem" in refused_by) is without_files
    assert bool(refused_by - {"RestoredFilesAreOfAFileSystem"}) is (
        bool(key and to) is not bool(key_there)
    )
    if refused_by:
        return
    assert dangling(TRANSFER, parameters) == set()
    copies = rendered(TRANSFER["Resources"]["Copies"]["Properties"], TRANSFER, parameters)
    (encryption,) = copies["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"].get("KMSMasterKeyID", "") == key
    assert ("ReplicationConfiguration" in copies) is bool(to)
    assert (key_there in str(copies)) is True


@pytest.mark.parametrize("engine", ENGINES)
def test_the_function_finds_the_databases_where_the_service_keeps_them(engine: str) -> None:
    own, of_the_service = settings_of_the_transfer(engine, engine), settings(engine)

    assert own is not None
    assert (own.log, own.leases) == (of_the_service.log, of_the_service.leases)
    assert own.log or own.home == of_the_service.home


@pytest.mark.parametrize(("service", "transfer"), list(product(ENGINES, ENGINES)))
def test_an_engine_that_is_not_the_service_s_fails_the_deploy(service: str, transfer: str) -> None:
    """It would copy nothing, and call that complete."""
    found = settings_of_the_transfer(service, transfer)

    assert (found is not None) is (service == transfer)


def test_a_transfer_on_a_table_is_in_no_vpc_and_may_do_what_a_writer_may() -> None:
    parameters = given(TRANSFER, Engine=TABLE)
    function, role = (
        rendered(TRANSFER["Resources"][name]["Properties"], TRANSFER, parameters)
        for name in ("TransferFunction", "TransferRole")
    )

    assert not function.keys() & {"VpcConfig", "FileSystemConfigs"}
    (policy,) = role["Policies"]
    assert {one["Sid"]: one["Action"] for one in policy["PolicyDocument"]["Statement"]} == {
        "Records": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
        "Objects": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
        "ObjectKeys": "s3:ListBucket",
        "Copies": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
        "Keys": "s3:ListBucket",
    }
    assert "VPC" not in str(role["ManagedPolicyArns"])


def settings_of_the_transfer(service: str, transfer: str) -> Settings | None:
    """The settings of the function beside a service; None if an import has no export."""
    exports = {
        f"<{rendered(one['Export']['Name'], TEMPLATE, of_stack(service))}>": str(
            rendered(one["Value"], TEMPLATE, of_stack(service))
        )
        for one in TEMPLATE["Outputs"].values()
        if "Export" in one and exists(one, TEMPLATE, of_stack(service))
    }
    parameters = given(TRANSFER, Engine=transfer)
    imported = set(imports(TRANSFER["Resources"], parameters))
    if not imported <= set(exports):
        return None
    function = TRANSFER["Resources"]["TransferFunction"]["Properties"]
    variables = rendered(function["Environment"]["Variables"], TRANSFER, parameters)
    for name, value in exports.items():
        variables = {one: str(text).replace(name, value) for one, text in variables.items()}
    return Settings.from_environment(as_aws_names(variables))


def settings(engine: str) -> Settings:
    variables = rendered(environment("QueryFunction"), TEMPLATE, of_stack(engine))
    return Settings.from_environment(as_aws_names(variables))


def of_stack(engine: str) -> dict[str, Any]:
    return given(TEMPLATE, Engine=engine) | {"AWS::StackName": "sqlatch"}


def imports(part: Any, parameters: dict[str, Any]) -> list[str]:
    """What a part imports in the branches that the conditions choose, as `rendered` writes it."""
    if isinstance(part, list):
        return [name for one in part for name in imports(one, parameters)]
    if not isinstance(part, dict) or not exists_here(part, parameters):
        return []
    found = []
    for name, value in part.items():
        if name == "Fn::If":
            holds = rendered(TRANSFER["Conditions"][value[0]], TRANSFER, parameters)
            found += imports(value[1 if holds else 2], parameters)
        elif name == "Fn::ImportValue":
            found.append(str(rendered({name: value}, TRANSFER, parameters)))
        else:
            found += imports(value, parameters)
    return found


def exists_here(part: dict[str, Any], parameters: dict[str, Any]) -> bool:
    return not isinstance(part.get("Condition"), str) or exists(part, TRANSFER, parameters)


def as_aws_names(variables: dict[str, Any]) -> dict[str, str]:
    return {name: str(one).replace("<", "a-").replace(">", "") for name, one in variables.items()}
