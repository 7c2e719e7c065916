"""The templates as each choice of their parameters renders them."""

import re
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

import openapi_spec_validator
import pytest

from events.http import LOG_ROUTES, OPEN_ROUTE, ROUTES
from tests.cloudformation import exists, given, load, references, rendered

TEMPLATE = load("template.yaml")
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
LINKS: dict[str, Any] = {"LinkMinutes": 60}
TABLE: dict[str, Any] = {"Engine": "dynamodb"}
LOGS: list[dict[str, Any]] = [
    {"Engine": "log"},
    {"Engine": "log", "TemporaryMegabytes": 2048},
    TABLE,
    {**TABLE, "SnapStart": "false", "TemporaryMegabytes": 2048},
    {**TABLE, "SnapStart": "false", "ProvisionedConcurrency": 2},
]
CHOICES: list[dict[str, Any]] = [
    *(
        {**callers, **network, "KmsKeyArn": key}
        for callers, network, key in product(CALLERS, NETWORKS.values(), KEYS)
    ),
    *(
        {**logs, "KmsKeyArn": key, **callers}
        for logs, key, callers in product(LOGS, KEYS, (CALLERS[0], CALLERS[-1]))
    ),
    *(
        {**LINKS, "Engine": engine, "KmsKeyArn": key, **callers}
        for engine, key, callers in product(
            PARAMETERS["Engine"]["AllowedValues"], KEYS, (CALLERS[0], CALLERS[-1])
        )
    ),
]


@pytest.mark.parametrize("choice", CALLERS, ids=str)
def test_the_body_of_the_api_is_openapi_whatever_is_chosen(choice: dict[str, str]) -> None:
    body = rendered(
        TEMPLATE["Resources"]["HttpApi"]["Properties"]["DefinitionBody"], TEMPLATE, chosen(choice)
    )

    # OpenAPI wants them; API Gateway, as its documentation has it, does without.
    for scheme in body["components"]["securitySchemes"].values():
        if scheme["type"] == "oauth2":
            scheme["flows"] = {}
    openapi_spec_validator.validate(body)

    streams = {f"/{OPEN_ROUTE}"} if choice["TokenKeys"] else set()
    assert set(body["paths"]) == set(ROUTES) | set(LOG_ROUTES) | streams
    assert ("x-amazon-apigateway-cors" in body) is bool(choice["CorsOrigins"])


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_nothing_refers_to_what_is_not_made(choice: dict[str, Any]) -> None:
    assert refusals(TEMPLATE, chosen(choice)) <= {"JwtNeedsIssuerAndAudience"}
    assert dangling(TEMPLATE, chosen(choice)) == set()


OF_A_FILE_SYSTEM = re.compile(r"AWS::(EC2::(?!LaunchTemplate)|EFS::|Events::Rule)")


def test_a_stack_on_a_table_has_neither_network_nor_file_system_nor_leases() -> None:
    made = kinds(TABLE)
    with_files = kinds({})

    assert not any(OF_A_FILE_SYSTEM.match(kind) for kind in made.values())
    assert set(with_files) - set(made) >= {"LeaseTable", "FileSystem", "Vpc", "S3Endpoint"}
    assert {name for name in made if name not in with_files} == {
        *("LogTable", "LogBucket", "LogBucketPolicy", "LogTableAlarm", "WriteConflictsAlarm"),
        *("RecordsNotCompactedAlarm", "ReaperFailures", "ReaperFailuresAlarm", "Attempts"),
        *("QueryRecordsApplied", "ReadRecordsApplied", "HydrationAlarm"),
    }
    assert not re.search("FileSystem|AccessPoint|Subnet|Lease", str(outputs(TABLE)))


@pytest.mark.parametrize("engine", PARAMETERS["Engine"]["AllowedValues"])
def test_links_add_a_private_bucket_and_the_rights_to_its_results(engine: str) -> None:
    with_links = {"Engine": engine, **LINKS}
    assert set(kinds(with_links)) - set(kinds({"Engine": engine})) == {
        "ResultBucket", "ResultBucketPolicy"
    }  # fmt: skip

    parameters = chosen(with_links)
    bucket = rendered(TEMPLATE["Resources"]["ResultBucket"]["Properties"], TEMPLATE, parameters)
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 1
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert "CorsConfiguration" not in bucket
    for name in ("QueryRole", "ReadRole", "ReaperRole"):
        held = {one["Sid"]: one for one in statements_of(name, parameters)}
        assert ("Results" in held) is (name != "ReaperRole"), name
        assert "Results" not in {one["Sid"] for one in statements_of(name, chosen({}))}
    results = held_by("ReadRole", "Results", parameters)
    assert results["Action"] == ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    assert results["Resource"] == "<ResultBucket.Arn>/results/*"
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    settings = {name: rendered(one, TEMPLATE, parameters) for name, one in variables.items()}
    assert settings["SQLATCH_RESULTS"] == "s3://<ResultBucket>/results"
    assert settings["SQLATCH_RESULTS_MINUTES"] == 60
    without = {name: rendered(one, TEMPLATE, chosen({})) for name, one in variables.items()}
    assert (without["SQLATCH_RESULTS"], without["SQLATCH_RESULTS_MINUTES"]) == ("", "")


def test_browsers_of_the_origins_may_read_results() -> None:
    parameters = chosen({**LINKS, "CorsOrigins": "https://a.example,https://b.c"})

    bucket = rendered(TEMPLATE["Resources"]["ResultBucket"]["Properties"], TEMPLATE, parameters)

    (rule,) = bucket["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == ["https://a.example", "https://b.c"]
    assert rule["AllowedMethods"] == ["GET", "HEAD"]


def statements_of(role: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a role's own policy."""
    properties = rendered(TEMPLATE["Resources"][role]["Properties"], TEMPLATE, parameters)
    (policy,) = properties["Policies"]
    statements: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return statements


def held_by(role: str, sid: str, parameters: dict[str, Any]) -> dict[str, Any]:
    (statement,) = (one for one in statements_of(role, parameters) if one["Sid"] == sid)
    return statement


def test_engine_log_makes_what_engine_file_makes_and_watches_the_reaper() -> None:
    assert set(kinds({"Engine": "log"})) ^ set(kinds({})) == {
        "ReaperFailures", "ReaperFailuresAlarm"
    }  # fmt: skip


def test_each_data_store_is_made_in_one_place_whatever_the_engine() -> None:
    """With each engine one of two, and the other resources are described once for all."""
    stores = {"file": "FileSystem", "log": "FileSystem", "dynamodb": "LogTable"}

    for engine, store in stores.items():
        assert set(kinds({"Engine": engine})) & set(stores.values()) == {store}


@pytest.mark.parametrize("function", ["QueryFunction", "ReadFunction", "ReaperFunction"])
@pytest.mark.parametrize(
    ("choice", "properties"),
    [
        ({}, ["FileSystemConfigs", "VpcConfig"]),
        ({"Engine": "log"}, ["FileSystemConfigs", "VpcConfig"]),
        (TABLE, ["SnapStart"]),
        ({**TABLE, "SnapStart": "false"}, []),
    ],
    ids=str,
)
def test_a_function_starts_from_a_snapshot_only_where_it_mounts_nothing(
    choice: dict[str, Any], properties: list[str], function: str
) -> None:
    """The reaper has no version, and Lambda takes snapshots of versions."""
    made = rendered(TEMPLATE["Resources"][function]["Properties"], TEMPLATE, chosen(choice))

    expected = set(properties) - ({"SnapStart"} if function == "ReaperFunction" else set())
    assert made.keys() & {"VpcConfig", "FileSystemConfigs", "SnapStart"} == expected
    assert made.get("SnapStart", {}).get("ApplyOn", "PublishedVersions") == "PublishedVersions"
    assert ("AutoPublishAlias" in made) or "SnapStart" not in made


def kinds(choice: dict[str, Any]) -> dict[str, str]:
    """The types of the resources that are made, by their names."""
    return {
        name: one["Type"]
        for name, one in TEMPLATE["Resources"].items()
        if exists(one, TEMPLATE, chosen(choice))
    }


def outputs(choice: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rendered(one, TEMPLATE, chosen(choice))
        for name, one in TEMPLATE["Outputs"].items()
        if exists(one, TEMPLATE, chosen(choice))
    }


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
        name: rendered(one, TEMPLATE, chosen(made))
        for name, one in TEMPLATE["Resources"].items()
        if exists(one, TEMPLATE, chosen(made))
    }
    named = outputs(made)

    for function in ("QueryFunction", "ReadFunction", "ReaperFunction"):
        config = resources[function]["Properties"]["VpcConfig"]
        assert config == {"SubnetIds": subnets, "SecurityGroupIds": [group]}
    targets = [
        resources[name]["Properties"]["SubnetId"] for name in ("MountTargetA", "MountTargetB")
    ]
    assert targets == subnets
    assert named["SubnetIds"]["Value"] == ",".join(subnets)
    assert named["ClientSecurityGroupId"]["Value"] == group
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
        ({**TABLE, **OWN_VPC}, {"NoNetworkWithoutFiles"}),
        ({**TABLE, **ZONES}, {"NoNetworkWithoutFiles"}),
        ({**TABLE, **KEPT_STARTED}, {"SnapStartStandsAlone"}),
        ({**TABLE, **KEPT_STARTED, "SnapStart": "false"}, set()),
        ({**TABLE, "TemporaryMegabytes": 513}, {"SnapStartStandsAlone"}),
        ({**TABLE, "TemporaryMegabytes": 513, "SnapStart": "false"}, set()),
        ({"TemporaryMegabytes": 513}, {"CopiesAreOfLogs"}),
        ({"Engine": "log", "TemporaryMegabytes": 513, **KEPT_STARTED}, set()),
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
    assert refusals(TEMPLATE, chosen(choice)) == refused_by


READS = {f"{method}/{path}" for method in ("GET", "HEAD", "POST")
         for path in ("read", "orders/read", "bills/read")}  # fmt: skip

ROUTE = "arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<HttpApi>/$default/"


@pytest.mark.parametrize(
    ("policy", "tag", "permitted"),
    [
        ("ReaderPolicy", None, {*READS, "GET/health", "ReadFunction:live"}),
        ("WriterPolicy", None, {*READS, "GET/health", "POST/query", "POST/orders/query",
                                "POST/bills/query", "ReadFunction:live", "QueryFunction:live"}),
        ("TenantPolicy", "orders", {"POST/orders/query", "POST/orders/read", "GET/orders/read",
                                    "HEAD/orders/read"}),
        ("TenantPolicy", "bill", set()),
        ("TenantPolicy", None, set()),
    ],
)  # fmt: skip
def test_a_caller_s_policy_permits_just_its_part(
    policy: str, tag: str | None, permitted: set[str]
) -> None:
    document = TEMPLATE["Resources"][policy]["Properties"]["PolicyDocument"]
    asked = {
        *("POST/query", "GET/health", "GET/query", "POST/orders/v3/pipeline", *READS),
        *("POST/orders/query", "POST/bills/query", "PUT/read", "GET/orders/query"),
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


KINDS_STORED = {
    *("AWS::EFS::FileSystem", "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue"),
    *("AWS::Logs::LogGroup", "AWS::SNS::Topic"),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("engine", PARAMETERS["Engine"]["AllowedValues"])
@pytest.mark.parametrize("links", [{}, LINKS])
def test_a_key_is_for_all_that_is_stored_and_without_it_aws_s_own_are(
    key: str, engine: str, links: dict[str, Any]
) -> None:
    parameters = chosen({"Engine": engine, "KmsKeyArn": key, **links})
    stored = {
        name: rendered(one["Properties"], TEMPLATE, parameters)
        for name, one in TEMPLATE["Resources"].items()
        if one["Type"] in KINDS_STORED and exists(one, TEMPLATE, parameters)
    }

    with_table = engine == "dynamodb"
    data = {"LogTable", "LogBucket"} if with_table else {"FileSystem", "LeaseTable"}
    assert set(stored) == set(STORED) | data | ({"ResultBucket"} if links else set())
    for name, field in STORED.items():
        assert stored[name].get(field, "") == key
    table = stored["LogTable" if with_table else "LeaseTable"].get("SSESpecification", {})
    assert table.get("KMSMasterKeyId", "") == key
    for name in (one for one in stored if one.endswith(("Queue", "Letters", "Invocations"))):
        assert stored[name].get("SqsManagedSseEnabled", False) is not bool(key), name
    for name in (one for one in stored if one.endswith("Bucket")):
        (rule,) = stored[name]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID", "") == key
    if not with_table:
        assert stored["FileSystem"]["Encrypted"] is True
        assert stored["FileSystem"].get("KmsKeyId", "") == key


@pytest.mark.parametrize("engine", PARAMETERS["Engine"]["AllowedValues"])
@pytest.mark.parametrize("links", [{}, LINKS])
def test_the_key_is_used_only_through_the_services_that_ask_in_a_role_s_name(
    engine: str, links: dict[str, Any]
) -> None:
    parameters = chosen({"Engine": engine, "KmsKeyArn": KEYS[1], **links})
    through: dict[str, set[str]] = {}
    for policy in ("KeyUse", "KeyUseToRead"):
        use = TEMPLATE["Resources"][policy]
        if not exists(use, TEMPLATE, parameters):
            continue
        properties = rendered(use["Properties"], TEMPLATE, parameters)
        statement, *others = properties["PolicyDocument"]["Statement"]
        assert {one["Resource"] for one in (statement, *others)} == {KEYS[1]}
        services = statement["Condition"]["StringEquals"]["kms:ViaService"]
        through |= {role: {one.partition(".")[0] for one in services}
                    for role in properties["Roles"]}  # fmt: skip

    for name, one in TEMPLATE["Resources"].items():
        if one["Type"] == "AWS::IAM::Role":
            role = rendered(one["Properties"], TEMPLATE, parameters)
            reached = {
                action.partition(":")[0]
                for policy in role["Policies"]
                for line in policy["PolicyDocument"]["Statement"]
                for action in as_list(line["Action"])
            }
            assert reached & {"dynamodb", "s3", "sqs"} <= through.get(f"<{name}>", set()), name
    use_to_read = TEMPLATE["Resources"]["KeyUseToRead"]["Properties"]["PolicyDocument"]
    reads, *writes = rendered(use_to_read, TEMPLATE, parameters)["Statement"]
    assert reads["Action"] == ["kms:Decrypt", "kms:DescribeKey"]
    through_s3 = "s3.<AWS::Region>.amazonaws.com"
    assert [
        (one["Action"], one["Condition"]["StringEquals"]["kms:ViaService"]) for one in writes
    ] == ([("kms:GenerateDataKey", through_s3)] if links else [])
    assert ("<ReadRole>" in through) is (engine == "dynamodb" or bool(links))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def chosen(choice: dict[str, Any]) -> dict[str, Any]:
    return given(TEMPLATE, **choice)


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
