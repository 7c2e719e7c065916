"""Facts of template.yaml that every edit must keep."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from events.http import LOG_ROUTES, OPEN_ROUTE, ROUTES
from handler.record import Record
from handler.settings import Settings
from tests.cloudformation import ABSENT, ROOT, given, load, rendered

SETTINGS = {
    "SQLATCH_DATABASES",
    "SQLATCH_LOG",
    "SQLATCH_LEADER",
    "SQLATCH_NODE",
    "SQLATCH_LEADER_LEASE_S",
    "SQLATCH_LOG_TOKEN",
    "SQLATCH_MAX_AGE_MS",
    "SQLATCH_COPIES",
    "SQLATCH_LEASES",
    "SQLATCH_READ_ONLY",
    "SQLATCH_CREATE",
    "SQLATCH_VECTORS",
    "SQLATCH_ROWS_MAX",
    "SQLATCH_RESULT_BYTES_MAX",
    "SQLATCH_RESULTS",
    "SQLATCH_RESULTS_BYTES_MAX",
    "SQLATCH_RESULTS_MINUTES",
    "SQLATCH_TIMEOUT_MS",
    "SQLATCH_IDEMPOTENCY_DAYS",
    "SQLATCH_HISTORY_DAYS",
    "SQLATCH_TOKEN_KEYS",
    "SQLATCH_HTTP_AUTH",
    "SQLATCH_JWT_DATABASES_CLAIM",
    "SQLATCH_CONSOLE",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "LOG_LEVEL",
}
FUNCTIONS = ("QueryFunction", "ReadFunction", "ReaperFunction")
QUEUES = ("WriteQueue", "OrderedWriteQueue")
DEAD_LETTERS = ("WriteDeadLetters", "OrderedWriteDeadLetters", "FailedInvocations")
ALLOWED_ON_EVERYTHING = {"NetworkInterfaces", "Traces"}
EFS_LOCKS_A_FILE = 512
DAY_S = 86_400

TEMPLATE = load("template.yaml")
TRANSFER = load("docs/transfer.yaml")
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]
ENGINES: list[str] = PARAMETERS["Engine"]["AllowedValues"]


@pytest.mark.parametrize("queue", QUEUES)
def test_a_message_stays_invisible_for_six_function_timeouts(queue: str) -> None:
    timeouts_s = PARAMETERS["FunctionTimeoutSeconds"]["AllowedValues"]
    visibility_s = TEMPLATE["Mappings"]["Queues"]["VisibilitySeconds"]

    chosen = RESOURCES[queue]["Properties"]["VisibilityTimeout"]

    assert visibility_s == {str(timeout_s): 6 * timeout_s for timeout_s in timeouts_s}
    assert chosen == {
        "Fn::FindInMap": ["Queues", "VisibilitySeconds", {"Ref": "FunctionTimeoutSeconds"}]
    }
    assert "Timeout" not in RESOURCES["QueryFunction"]["Properties"]


@pytest.mark.parametrize("queue", QUEUES)
def test_a_message_is_gone_before_its_idempotency_record(queue: str) -> None:
    remembered_s = int(environment("QueryFunction")["SQLATCH_IDEMPOTENCY_DAYS"]) * DAY_S

    assert RESOURCES[queue]["Properties"]["MessageRetentionPeriod"] < remembered_s


def test_both_queues_hear_of_each_failed_message() -> None:
    mappings = [
        event["Properties"]
        for event in RESOURCES["QueryFunction"]["Properties"]["Events"].values()
        if event["Type"] == "SQS"
    ]

    assert [mapping["Queue"]["Fn::GetAtt"][0] for mapping in mappings] == list(QUEUES)
    for mapping in mappings:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_clients_of_libsql_are_let_through_only_where_tokens_are_taken() -> None:
    paths = RESOURCES["HttpApi"]["Properties"]["DefinitionBody"]["paths"]
    streams = {path: paths[path]["Fn::If"] for path in paths if OPEN_ROUTE in path}

    assert {path: list(item[1]) for path, item in streams.items()} == {
        "/{libsql+}": ["get", "post"],
    }
    assert all(item[0] == "TakesTokens" for item in streams.values())
    assert all(OPEN_ROUTE in path for path in streams), "by this the function knows them"
    assert RESOURCES["StreamRoutePermission"]["Condition"] == "TakesTokens"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_setting_is_declared_on_every_function(function: str) -> None:
    assert set(environment(function)) == SETTINGS


def test_local_runs_set_only_declared_settings() -> None:
    local = json.loads((ROOT / "events" / "local-env.json").read_text())

    assert set(local["Parameters"]) <= SETTINGS


@pytest.mark.parametrize("engine", ENGINES)
def test_only_network_interfaces_and_traces_are_allowed_on_everything(engine: str) -> None:
    named = {
        statement.get("Sid")
        for resource in RESOURCES.values()
        for statement in iam_statements(resource, engine)
        if statement["Effect"] == "Allow" and "*" in as_list(statement["Resource"])
    }

    assert named == ALLOWED_ON_EVERYTHING - ({"NetworkInterfaces"} if engine == TABLE else set())


TABLE = "dynamodb"
MOUNT, WRITE = "elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"
LEASES = {f"dynamodb:{one}" for one in ("GetItem", "Scan", "UpdateItem")}
READ_RECORDS = {"dynamodb:GetItem", "dynamodb:Query"}
WRITE_RECORDS = {"dynamodb:PutItem", "dynamodb:UpdateItem"}
MAY: dict[str, dict[tuple[str, str], set[str]]] = {
    "files": {
        ("QueryRole", "FileSystem.Arn"): {MOUNT, WRITE},
        ("QueryRole", "LeaseTable.Arn"): LEASES,
        ("ReadRole", "FileSystem.Arn"): {MOUNT},
        ("ReaperRole", "FileSystem.Arn"): {MOUNT, WRITE},
        ("ReaperRole", "LeaseTable.Arn"): LEASES,
    },
    "table": {
        ("QueryRole", "LogTable.Arn"): {*READ_RECORDS, *WRITE_RECORDS},
        ("QueryRole", "<LogBucket.Arn>/databases/*"): {"s3:GetObject", "s3:PutObject"},
        ("QueryRole", "LogBucket.Arn"): {"s3:ListBucket"},
        ("ReadRole", "LogTable.Arn"): READ_RECORDS,
        ("ReadRole", "<LogBucket.Arn>/databases/*"): {"s3:GetObject"},
        ("ReadRole", "LogBucket.Arn"): {"s3:ListBucket"},
        ("ReaperRole", "LogTable.Arn"): {*READ_RECORDS, *WRITE_RECORDS, "dynamodb:DeleteItem"},
        ("ReaperRole", "<LogBucket.Arn>/databases/*"): {
            *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
        },
        ("ReaperRole", "LogBucket.Arn"): {"s3:ListBucket"},
    },
}
"""What each function may do with what databases are kept in; the reader can write nothing, nobody
but the reaper can delete, and nobody can delete a version of an object, a table or a bucket."""


@pytest.mark.parametrize("engine", ENGINES)
def test_each_function_may_do_what_it_needs_with_the_databases_and_no_more(engine: str) -> None:
    permitted = {
        (role, resource): set(as_list(statement["Action"]))
        for role in ("QueryRole", "ReadRole", "ReaperRole")
        for statement in iam_statements(RESOURCES[role], engine)
        for resource in map(str, as_list(statement["Resource"]))
        if not resource.endswith(("Logs.Arn", "Queue.Arn", "FailedInvocations.Arn"))
    }

    assert permitted == MAY["table" if engine == TABLE else "files"]
    assert RESOURCES["ReadRole"]["Properties"]["ManagedPolicyArns"] == [{"Ref": "RuntimePolicy"}]
    assert environment("ReadFunction")["SQLATCH_READ_ONLY"] == "true"
    assert "FileSystemPolicy" in RESOURCES["FileSystem"]["Properties"]


@pytest.mark.parametrize("table", ["LeaseTable", "LogTable"])
def test_no_item_is_deleted_by_dynamodb_itself(table: str) -> None:
    assert "TimeToLiveSpecification" not in RESOURCES[table]["Properties"]
    assert RESOURCES[table]["Properties"]["DeletionProtectionEnabled"] is True


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_settings_of_each_function_are_taken_by_the_service(function: str, engine: str) -> None:
    parameters = given(TEMPLATE, Engine=engine)
    variables = {
        name: rendered(value, TEMPLATE, parameters) for name, value in environment(function).items()
    }
    # Names as AWS makes them.
    variables = {name: re.sub(r"<(\w+)>", r"a-\1", str(one)) for name, one in variables.items()}

    settings = Settings.from_environment({**variables, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"})

    places = (settings.databases, settings.log_directory, settings.log_table)
    assert (
        places
        == {
            "file": (Path("/mnt/databases"), None, None),
            "log": (Path("/mnt/databases"), Path("/mnt/databases"), None),
            "dynamodb": (None, None, ("a-LogTable", "a-LogBucket", "databases/")),
        }[engine]
    )
    assert ("dynamodb:" in settings.leases) is (engine != TABLE)


def test_the_bucket_keeps_what_was_deleted_for_a_week_and_nothing_unfinished() -> None:
    bucket = RESOURCES["LogBucket"]["Properties"]
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert rules["deleted"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert rules["unfinished"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert all("ExpirationInDays" not in rule for rule in rules.values()), "no snapshot may go"


HOLDS = ("FileSystem", "LeaseTable", "LogTable", "LogBucket", *QUEUES, *DEAD_LETTERS)


@pytest.mark.parametrize("resource", HOLDS)
def test_data_outlives_the_stack_but_not_a_first_deploy_that_fails(resource: str) -> None:
    assert RESOURCES[resource]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[resource]["UpdateReplacePolicy"] == "Retain"


def test_every_queue_takes_encrypted_clients_only() -> None:
    queues = {name for name, one in RESOURCES.items() if one["Type"] == "AWS::SQS::Queue"}
    policy = RESOURCES["QueuePolicy"]["Properties"]

    assert {one["Ref"] for one in policy["Queues"]} == queues
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny", {"Bool": {"aws:SecureTransport": "false"}}
    )  # fmt: skip


def test_a_new_account_can_deploy_what_is_said_nowhere() -> None:
    for name in ("QueryConcurrency", "ReadConcurrency"):
        assert PARAMETERS[name]["Default"] == 0
    for function in FUNCTIONS:
        reserved = RESOURCES[function]["Properties"]["ReservedConcurrentExecutions"]
        assert rendered(reserved, TEMPLATE, {"QueryConcurrency": 0, "ReadConcurrency": 0}) is ABSENT
        assert rendered(reserved, TEMPLATE, {"QueryConcurrency": 50, "ReadConcurrency": 50})


def test_prod_refuses_a_stack_whose_alarms_reach_nobody() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    rule = TEMPLATE["Rules"]["AlarmsReachSomebody"]

    assert (
        "AlarmEmailRequired=true" in config["prod"]["deploy"]["parameters"]["parameter_overrides"]
    )
    for required, email, holds in (("true", "", False), ("true", "a@b", True), ("false", "", True)):
        choice = {"AlarmEmailRequired": required, "AlarmEmail": email}
        applies = rendered(rule["RuleCondition"], TEMPLATE, choice)
        (assertion,) = rule["Assertions"]
        assert (not applies or rendered(assertion["Assert"], TEMPLATE, choice)) is holds


def test_a_browser_that_signs_may_send_what_it_signs() -> None:
    choice = {"CorsOrigins": "https://a.example", "Authorization": "IAM", "TokenKeys": ""}
    body = rendered(RESOURCES["HttpApi"]["Properties"]["DefinitionBody"], TEMPLATE, choice)

    cors = body["x-amazon-apigateway-cors"]
    assert {"authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"} <= set(
        cors["allowHeaders"]
    )
    assert {"if-none-match", "sqlatch-at-least"} <= set(cors["allowHeaders"])
    assert cors["exposeHeaders"] == ["etag", "sqlatch-position"]


def test_all_instances_together_stay_below_the_locks_of_a_file() -> None:
    """Where they are reserved; without that the account's limit is all there is."""
    instances_max = (
        PARAMETERS["QueryConcurrency"]["MaxValue"]
        + PARAMETERS["ReadConcurrency"]["MaxValue"]
        + RESOURCES["ReaperFunction"]["Properties"]["ReservedConcurrentExecutions"]["Fn::If"][1]
    )

    assert instances_max < EFS_LOCKS_A_FILE


def test_the_routes_of_the_gateway_are_those_of_the_function() -> None:
    paths = RESOURCES["HttpApi"]["Properties"]["DefinitionBody"]["paths"]
    closed = {path: list(one) for path, one in paths.items() if OPEN_ROUTE not in path}

    routes = {**ROUTES, **LOG_ROUTES}
    assert closed == {path: [one.lower() for one in methods] for path, methods in routes.items()}


@pytest.mark.parametrize(
    ("path", "method"),
    [(path, one.lower()) for path, methods in (ROUTES | LOG_ROUTES).items() for one in methods],
)
def test_no_route_is_open(path: str, method: str) -> None:
    definition = RESOURCES["HttpApi"]["Properties"]["DefinitionBody"]["paths"][path]

    condition, with_jwt, without_jwt = definition[method]["security"]["Fn::If"]
    open_condition, nothing, with_iam = without_jwt["Fn::If"]

    assert (condition, open_condition, nothing) == ("UsesJwt", "UsesTokens", [])
    assert [list(scheme) for scheme in with_jwt] == [["jwt"]]
    assert with_jwt[0]["jwt"], "without a scope every token of the issuer would do"
    assert with_iam == [{"iam": []}]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_where_the_gateway_lets_all_in_the_functions_check_tokens(function: str) -> None:
    checks = environment(function)["SQLATCH_HTTP_AUTH"]

    assert TEMPLATE["Conditions"]["UsesTokens"] == {
        "Fn::Equals": [{"Ref": "Authorization"}, "TOKEN"]
    }
    assert checks == {"Fn::If": ["UsesTokens", "token", "none"]}
    assert environment(function)["SQLATCH_TOKEN_KEYS"] == {"Ref": "TokenKeys"}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_dashboard_is_json(engine: str) -> None:
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]

    dashboard = json.loads(rendered(body, TEMPLATE, given(TEMPLATE, Engine=engine)))

    titles = [widget["properties"]["title"] for widget in dashboard["widgets"]]
    assert all(titles)
    assert any(title.startswith("EFS") for title in titles) is (engine != TABLE)
    assert len({(one["x"], one["y"]) for one in dashboard["widgets"]}) == len(titles)


@pytest.mark.parametrize("metric", ["Attempts", "RecordsApplied", "ReaperRunsWithFailures"])
def test_a_metric_of_a_log_is_taken_from_fields_that_its_lines_have(metric: str) -> None:
    filters = [
        one["Properties"]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::Logs::MetricFilter"
        and one["Properties"]["MetricTransformations"][0]["MetricName"] == metric
    ]

    assert filters
    for one in filters:
        read = one["FilterPattern"] + one["MetricTransformations"][0]["MetricValue"]
        assert set(re.findall(r"\$\.(\w+)", read)) <= {field.name for field in fields(Record)}


def test_every_alarm_has_a_section_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()

    everywhere = alarms(RESOURCES) | alarms(TRANSFER["Resources"])
    assert set(re.findall(r"^### (\w+Alarm)$", runbook, re.MULTILINE)) == set(everywhere)


def test_every_alarm_reaches_somebody() -> None:
    topic = TEMPLATE["Outputs"]["AlarmTopicArn"]

    assert topic["Value"] == {"Ref": "AlarmTopic"}
    assert all(one["AlarmActions"] == [topic["Value"]] for one in alarms(RESOURCES).values())
    imported = topic["Export"]["Name"]["Fn::Sub"].replace("AWS::StackName", "ServiceStack")
    for alarm in alarms(TRANSFER["Resources"]).values():
        assert alarm["AlarmActions"] == [{"Fn::ImportValue": {"Fn::Sub": imported}}]


def test_what_the_transfer_stack_imports_is_exported() -> None:
    exported = {
        one["Export"]["Name"]["Fn::Sub"].replace("AWS::StackName", "ServiceStack")
        for one in TEMPLATE["Outputs"].values()
        if "Export" in one
    }

    assert set(imports(TRANSFER)) <= exported
    assert set(imports(TRANSFER)) >= {"${ServiceStack}-AccessPointArn"}


def test_copies_outlive_the_stack_and_are_watched() -> None:
    resources = TRANSFER["Resources"]

    assert resources["Copies"]["DeletionPolicy"] == "RetainExceptOnCreate"
    missing = resources["CopyMissingAlarm"]["Properties"]
    assert missing["TreatMissingData"] == "breaching"
    assert missing["Period"] * missing["EvaluationPeriods"] == 25 * 3600


def test_every_skipped_check_says_why() -> None:
    for resource in (*RESOURCES.values(), *TRANSFER["Resources"].values()):
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert skip["id"]
            assert skip["comment"].endswith(".")


def imports(part: Any) -> Iterator[str]:
    """The names of all the values that a template imports."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "Fn::ImportValue":
                yield value["Fn::Sub"]
            yield from imports(value)
    elif isinstance(part, list):
        for one in part:
            yield from imports(one)


def alarms(resources: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def environment(function: str) -> dict[str, Any]:
    own = RESOURCES[function]["Properties"].get("Environment", {}).get("Variables", {})
    return {**TEMPLATE["Globals"]["Function"]["Environment"]["Variables"], **own}


def iam_statements(resource: dict[str, Any], engine: str = "file") -> list[dict[str, Any]]:
    """Return the statements of roles and managed policies, without those of endpoints and EFS."""
    properties = resource["Properties"]
    if resource["Type"] == "AWS::IAM::ManagedPolicy":
        policies = [properties]
    else:
        policies = properties["Policies"] if resource["Type"] == "AWS::IAM::Role" else []
    parameters = given(TEMPLATE, Engine=engine)
    return [
        line
        for policy in policies
        for line in rendered(policy["PolicyDocument"]["Statement"], TEMPLATE, parameters)
    ]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
