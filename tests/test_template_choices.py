"""The templates as each choice of their parameters renders them."""

import re
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

import openapi_spec_validator
import pytest

from events.http import OPEN_ROUTE, ROUTES
from tests.cloudformation import exists, load, references, rendered

TEMPLATE = load("template.yaml")
TRANSFER = load("docs/transfer.yaml")
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]

OWN_VPC = {"VpcId": "vpc-1", "SubnetA": "subnet-1", "SubnetB": "subnet-2"}
ZONES = {"AvailabilityZoneA": "us-east-1b", "AvailabilityZoneB": "us-east-1c"}
NETWORKS: dict[str, dict[str, str]] = {
    "own network": {},
    "own network, zones": ZONES,
    "a VPC": OWN_VPC,
    "a VPC and a group": {**OWN_VPC, "ClientSecurityGroupId": "sg-1"},
}
AUTHORIZATIONS: list[dict[str, str]] = [
    {"Authorization": authorization, "TokenKeys": keys}
    for authorization, keys in product(PARAMETERS["Authorization"]["AllowedValues"], ("", "a key"))
    if keys or authorization != "TOKEN"
]
CALLERS = [
    {**authorization, "CorsOrigins": origins}
    for authorization, origins in product(AUTHORIZATIONS, ("", "https://a.example,https://b.c"))
]
KEYS = ("", "arn:aws:kms:us-east-1:111122223333:key/1")
CHOICES = [
    {**callers, **network, "KmsKeyArn": key}
    for callers, network, key in product(CALLERS, NETWORKS.values(), KEYS)
]


@pytest.mark.parametrize("choice", CALLERS, ids=str)
def test_the_body_of_the_api_is_openapi_whatever_is_chosen(choice: dict[str, str]) -> None:
    body = rendered(
        TEMPLATE["Resources"]["HttpApi"]["Properties"]["DefinitionBody"], TEMPLATE, given(choice)
    )

    # OpenAPI wants them; API Gateway, as its documentation has it, does without.
    for scheme in body["components"]["securitySchemes"].values():
        if scheme["type"] == "oauth2":
            scheme["flows"] = {}
    openapi_spec_validator.validate(body)

    streams = {f"/{OPEN_ROUTE}"} if choice["TokenKeys"] else set()
    assert set(body["paths"]) == set(ROUTES) | streams
    assert ("x-amazon-apigateway-cors" in body) is bool(choice["CorsOrigins"])


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_nothing_refers_to_what_is_not_made(choice: dict[str, str]) -> None:
    assert dangling(TEMPLATE, given(choice)) == set()


TRANSFERS: dict[str, tuple[str, str]] = {
    "BackupSchedule": ("", "rate(1 day)"),
    "ReplicaBucketArn": ("", "arn:aws:s3:::copies"),
    "AccessPointArn": ("", "arn:aws:elasticfilesystem:::access-point/1"),
    "KmsKeyArn": ("", "arn:aws:kms:us-east-1:111122223333:key/1"),
    "ReplicaKmsKeyArn": ("", "arn:aws:kms:eu-west-1:111122223333:key/2"),
}


ENCRYPTED = ("KmsKeyArn", "ReplicaBucketArn", "ReplicaKmsKeyArn")


@pytest.mark.parametrize("values", list(product(*TRANSFERS.values())), ids=str)
def test_nothing_in_the_transfer_stack_refers_to_what_is_not_made(values: tuple[str, ...]) -> None:
    defaults = {name: one.get("Default") for name, one in TRANSFER["Parameters"].items()}
    choice = dict(zip(TRANSFERS, values, strict=True))
    parameters = defaults | choice
    key, to, key_there = (parameters[name] for name in ENCRYPTED)

    if refusals(TRANSFER, parameters):
        assert bool(key and to) is not bool(key_there)
        return
    assert dangling(TRANSFER, parameters) == set()
    copies = rendered(TRANSFER["Resources"]["Copies"]["Properties"], TRANSFER, parameters)
    (encryption,) = copies["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"].get("KMSMasterKeyID", "") == key
    assert ("ReplicationConfiguration" in copies) is bool(to)
    assert (key_there in str(copies)) is True


def test_a_reference_to_what_is_not_made_is_seen() -> None:
    """The check itself: each way to refer, and none through a branch that is not taken."""
    refers: list[Any] = [
        {"Ref": "Gone"},
        {"Fn::GetAtt": ["Gone", "Arn"]},
        {"Fn::Sub": "a ${Gone.Arn} b"},
        {"Fn::Sub": ["${Own}", {"Own": {"Ref": "Gone"}}]},
        {"Fn::If": ["Never", "", {"Ref": "Gone"}]},
        {"DependsOn": ["Gone"]},
    ]
    for one in refers:
        assert list(references(one, NEVER, {})) == ["Gone"]
        assert dangling({**NEVER, "Outputs": {"It": {"Value": one}}}, {}) == {"It -> Gone"}
    for fine in ({"Fn::If": ["Never", {"Ref": "Gone"}, ""]}, {"Fn::Sub": "${!Gone}"}):
        assert list(references(fine, NEVER, {})) == []


NEVER: dict[str, Any] = {
    "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
    "Resources": {"Gone": {"Condition": "Never"}},
    "Parameters": {},
}


@pytest.mark.parametrize("network", NETWORKS)
def test_functions_mount_targets_and_outputs_are_in_one_network(network: str) -> None:
    made = NETWORKS[network]
    own = "VpcId" in made
    subnets = ["subnet-1", "subnet-2"] if own else ["<PrivateSubnetA>", "<PrivateSubnetB>"]
    group = made.get("ClientSecurityGroupId", "<ClientSecurityGroup>")
    resources = {
        name: rendered(one, TEMPLATE, given(made))
        for name, one in TEMPLATE["Resources"].items()
        if exists(one, TEMPLATE, given(made))
    }
    outputs = rendered(TEMPLATE["Outputs"], TEMPLATE, given(made))

    for function in ("QueryFunction", "ReadFunction", "ReaperFunction"):
        config = resources[function]["Properties"]["VpcConfig"]
        assert config == {"SubnetIds": subnets, "SecurityGroupIds": [group]}
    targets = [
        resources[name]["Properties"]["SubnetId"] for name in ("MountTargetA", "MountTargetB")
    ]
    assert targets == subnets
    assert outputs["SubnetIds"]["Value"] == ",".join(subnets)
    assert outputs["ClientSecurityGroupId"]["Value"] == group
    targets_group = resources["FileSystemSecurityGroup"]["Properties"]
    assert targets_group["VpcId"] == ("vpc-1" if own else "<Vpc>")
    assert targets_group["SecurityGroupIngress"][0]["SourceSecurityGroupId"] == group
    kinds = {one["Type"] for one in resources.values() if one["Type"].startswith("AWS::EC2::")}
    assert ("AWS::EC2::VPC" in kinds) is ("AWS::EC2::VPCEndpoint" in kinds) is not own
    assert ("ClientSecurityGroup" in resources) is ("ClientSecurityGroupId" not in made)


KEPT_STARTED: dict[str, Any] = {"ProvisionedConcurrency": 2}


@pytest.mark.parametrize(
    ("choice", "refused_by"),
    [
        *(({**choice}, set()) for choice in NETWORKS.values()),
        ({"VpcId": "vpc-1"}, {"OwnVpcBringsItsSubnets"}),
        ({**OWN_VPC, "SubnetB": ""}, {"OwnVpcBringsItsSubnets"}),
        ({**OWN_VPC, "SubnetB": "subnet-1"}, {"OwnVpcBringsItsSubnets"}),
        ({**OWN_VPC, **ZONES}, {"OwnVpcBringsItsSubnets"}),
        ({**OWN_VPC, "VpcId": ""}, {"SubnetsNeedTheirVpc"}),
        ({"ClientSecurityGroupId": "sg-1"}, {"SubnetsNeedTheirVpc"}),
        ({**ZONES, "AvailabilityZoneA": ""}, {"ZonesAreTwo"}),
        ({**ZONES, "AvailabilityZoneB": ""}, {"ZonesAreTwo"}),
        ({**ZONES, "AvailabilityZoneB": "us-east-1b"}, {"ZonesAreTwo"}),
        (
            {**KEPT_STARTED, "Deployment": "Canary10Percent5Minutes"},
            {"NoShiftWithProvisionedInstances"},
        ),
        (
            {**KEPT_STARTED, "Deployment": "Linear10PercentEvery1Minute"},
            {"NoShiftWithProvisionedInstances"},
        ),
        ({**KEPT_STARTED, "Deployment": "Unchecked"}, set()),
        (KEPT_STARTED, set()),
        ({"Deployment": "Canary10Percent5Minutes"}, set()),
        ({"Authorization": "TOKEN"}, {"TokenNeedsKeys"}),
        ({"JwtDatabaseClaim": "databases"}, {"DatabaseClaimIsForJwt"}),
        (
            {"Authorization": "TOKEN", "TokenKeys": "a key", "JwtDatabaseClaim": "databases"},
            {"DatabaseClaimIsForJwt"},
        ),
        ({"Authorization": "JWT", "JwtIssuer": "https://a"}, {"JwtNeedsIssuerAndAudience"}),
    ],
    ids=str,
)
def test_what_does_not_belong_together_is_refused(
    choice: dict[str, Any], refused_by: set[str]
) -> None:
    assert refusals(TEMPLATE, given(choice)) == refused_by


ROUTE = "arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<HttpApi>/$default/"


@pytest.mark.parametrize(
    ("policy", "tag", "permitted"),
    [
        ("ReaderPolicy", None, {"POST/read", "POST/orders/read", "POST/bills/read", "GET/health",
                                "ReadFunction:live"}),
        ("WriterPolicy", None, {"POST/read", "POST/orders/read", "POST/bills/read", "GET/health",
                                "POST/query", "POST/orders/query", "POST/bills/query",
                                "ReadFunction:live", "QueryFunction:live"}),
        ("TenantPolicy", "orders", {"POST/orders/query", "POST/orders/read"}),
        ("TenantPolicy", "bill", set()),
        ("TenantPolicy", None, set()),
    ],
)  # fmt: skip
def test_a_caller_s_policy_permits_just_its_part(
    policy: str, tag: str | None, permitted: set[str]
) -> None:
    document = TEMPLATE["Resources"][policy]["Properties"]["PolicyDocument"]
    asked = {
        *("POST/query", "POST/read", "GET/health", "GET/query", "POST/orders/v3/pipeline"),
        *("POST/orders/query", "POST/orders/read", "POST/bills/query", "POST/bills/read"),
        *("QueryFunction", "QueryFunction:live", "ReadFunction", "ReadFunction:live"),
        *("ReaperFunction", "ReaperFunction:live"),
    }

    assert {one for one in asked if permits(document, one, tag)} == permitted


def permits(document: dict[str, Any], asked: str, tag: str | None) -> bool:
    """Return whether IAM lets a caller of a tag invoke a function, or send a method to a path."""
    by_route = "/" in asked
    action = "execute-api:Invoke" if by_route else "lambda:InvokeFunction"
    target = f"{ROUTE}{asked}" if by_route else asked
    return any(
        fnmatchcase(target, pattern)
        for statement in document["Statement"]
        if statement["Action"] == action
        for resource in statement["Resource"]
        if (pattern := arn_of(resource, tag)) is not None
    )


def arn_of(resource: dict[str, Any], tag: str | None) -> str | None:
    """The pattern of a resource; None if it needs a tag that the caller has not."""
    if "Ref" in resource:
        return str(resource["Ref"]).replace(".Alias", ":live")
    text = resource["Fn::Sub"]
    tagged = "${!aws:PrincipalTag/sqlatch-database}"
    if tagged in text and tag is None:
        return None
    return re.sub(r"\$\{([\w:.]+)\}", r"<\1>", text.replace(tagged, tag or ""))


STORED = {
    "FileSystem": "KmsKeyId",
    "WriteQueue": "KmsMasterKeyId",
    "WriteDeadLetters": "KmsMasterKeyId",
    "OrderedWriteQueue": "KmsMasterKeyId",
    "OrderedWriteDeadLetters": "KmsMasterKeyId",
    "FailedInvocations": "KmsMasterKeyId",
    "QueryLogs": "KmsKeyId",
    "ReadLogs": "KmsKeyId",
    "ReaperLogs": "KmsKeyId",
    "CheckLogs": "KmsKeyId",
    "HttpLogs": "KmsKeyId",
    "AlarmTopic": "KmsMasterKeyId",
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_for_all_that_is_stored_and_without_it_aws_s_own_are(key: str) -> None:
    resources = rendered(TEMPLATE["Resources"], TEMPLATE, given({"KmsKeyArn": key}))
    kinds = {"AWS::EFS::FileSystem", "AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::SNS::Topic"}

    assert {name for name, one in resources.items() if one["Type"] in kinds} == set(STORED)
    for name, field in STORED.items():
        assert resources[name]["Properties"].get(field, "") == key
    table = resources["LeaseTable"]["Properties"].get("SSESpecification", {})
    assert table.get("KMSMasterKeyId", "") == key
    for name, one in resources.items():
        if one["Type"] == "AWS::SQS::Queue":
            assert one["Properties"].get("SqsManagedSseEnabled", False) is not bool(key), name
    assert resources["FileSystem"]["Properties"]["Encrypted"] is True


def test_the_key_is_used_only_through_the_services_that_ask_in_a_role_s_name() -> None:
    use = TEMPLATE["Resources"]["KeyUse"]
    (statement,) = use["Properties"]["PolicyDocument"]["Statement"]

    assert use["Condition"] == "UsesKey"
    assert statement["Resource"] == {"Ref": "KmsKeyArn"}
    through = [one["Fn::Sub"] for one in statement["Condition"]["StringEquals"]["kms:ViaService"]]
    assert [one.partition(".")[0] for one in through] == ["dynamodb", "sqs"]
    reaching = {
        name
        for name, one in TEMPLATE["Resources"].items()
        if one["Type"] == "AWS::IAM::Role"
        for policy in one["Properties"]["Policies"]
        for line in policy["PolicyDocument"]["Statement"]
        if any(action.startswith(("dynamodb:", "sqs:")) for action in line["Action"])
    }
    assert {one["Ref"] for one in use["Properties"]["Roles"]} == reaching


def given(choice: dict[str, str]) -> dict[str, Any]:
    """All parameters: the choice, and for the others the default."""
    return {name: one.get("Default", "x") for name, one in PARAMETERS.items()} | choice


def refusals(template: dict[str, Any], parameters: dict[str, Any]) -> set[str]:
    """The rules that refuse the parameters."""
    return {
        name
        for name, rule in template["Rules"].items()
        if rendered(rule["RuleCondition"], template, parameters)
        and not all(rendered(one["Assert"], template, parameters) for one in rule["Assertions"])
    }


def dangling(template: dict[str, Any], parameters: dict[str, Any]) -> set[str]:
    """Every reference to what is no parameter and no resource that is made."""
    made = {
        name for name, one in template["Resources"].items() if exists(one, template, parameters)
    }
    known = made | set(template["Parameters"])
    parts = {**template["Resources"], "Globals": template.get("Globals"), **template["Outputs"]}
    return {
        f"{name} -> {one}"
        for name, part in parts.items()
        if part is not None and exists(part, template, parameters)
        for one in references(part, template, parameters)
        if one not in known and not one.startswith("AWS::")
    }
