"""The claims of the operator's pages, held against the template and against arithmetic."""

import ast
import json
import re
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from events.http import ROUTES
from tests.cloudformation import ROOT, exists, given, load, rendered
from tests.test_template import MAY

TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text()
WITHOUT_A_VPC = (ROOT / "docs" / "without-a-vpc.md").read_text()
STEP_FUNCTIONS = (ROOT / "docs" / "step-functions.md").read_text()


def test_the_cost_table_adds_up() -> None:
    rows = [
        [Decimal(cell.strip(" *").replace(",", "")) for cell in line.split("|")[-4:-1]]
        for line in RUNBOOK.partition("## Cost")[2].splitlines()
        if re.search(r"\d\.\d\d\**( \|.*){3}$", line)
    ]

    *items, sums = rows

    assert len(items) > 10
    assert [sum(column) for column in zip(*items, strict=True)] == sums


def test_the_cost_table_counts_the_alarms_of_the_template() -> None:
    metrics, without_a_vpc = metrics_of_alarms("file"), metrics_of_alarms("dynamodb")

    assert f"| Alarms: {metrics} metrics | 0.10 each | {metrics / 10:.2f} |" in RUNBOOK
    row = f"| Alarms: {metrics} and {without_a_vpc} metrics | 0.10 each |"
    assert f"{row} {metrics / 10:.2f} | {without_a_vpc / 10:.2f} |" in WITHOUT_A_VPC


def metrics_of_alarms(engine: str) -> int:
    template = load("template.yaml")
    parameters = given(template, Engine=engine)
    return sum(
        len([one for one in alarm.get("Metrics", [{"MetricStat": {}}]) if "MetricStat" in one])
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and exists(resource, template, parameters)
        for alarm in [resource["Properties"]]
    )


def test_the_costs_of_both_kinds_of_stack_add_up() -> None:
    table = WITHOUT_A_VPC.partition("## What it costs")[2]
    sums = [Decimal(0), Decimal(0)]
    told = {}
    for line in table.splitlines():
        cells = [cell.strip(" *") for cell in line.strip("| ").split("|")]
        if not re.fullmatch(r"[\d,]+\.\d\d", cells[-1]):
            continue
        amounts = [Decimal(cell) for cell in cells[-2:]]
        if line.startswith("| **"):
            told[cells[0]] = amounts
            assert amounts == sums, cells[0]
            sums = [Decimal(0), Decimal(0)]
        else:
            sums = [one + other for one, other in zip(sums, amounts, strict=True)]

    assert list(told) == ["A month without requests", "A million reads", "A million writes"]
    quoted = RUNBOOK.partition("of `Engine=dynamodb`: a million reads")[2].partition("\n")[0]
    figures = [Decimal(one) for one in re.findall(r"\d+\.\d\d", quoted)]
    (read_file, read_table), (write_file, write_table) = list(told.values())[1:]
    assert figures == [read_table, read_file, write_table, write_file]


def test_each_permission_of_the_page_is_the_template_s() -> None:
    section = WITHOUT_A_VPC.partition("## Permissions")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (QueryFunction|ReadFunction|the reaper) \| (.+) \| (.+) \|$", section,
                      re.MULTILINE)  # fmt: skip
    roles = {"QueryFunction": "QueryRole", "ReadFunction": "ReadRole", "the reaper": "ReaperRole"}

    assert len(rows) == len(roles)
    for function, table, bucket in rows:
        named = {f"dynamodb:{one}" for one in re.findall("`(\\w+)`", table)}
        named |= {f"s3:{one}" for one in re.findall("`(\\w+)`", bucket)} | {"s3:ListBucket"}
        permitted = {
            action
            for (role, _resource), actions in MAY["table"].items()
            if role == roles[function]
            for action in actions
        }
        assert named == permitted, function


def test_a_write_of_the_state_machine_can_be_repeated() -> None:
    machine, _failed_invocation = json_blocks(STEP_FUNCTIONS)

    book = machine["States"]["BookSeat"]
    retried = {error for retrier in book["Retry"] for error in retrier["ErrorEquals"]}

    assert "idempotency_key" in book["Arguments"]["Payload"]
    assert {"LeaseBusy", "LeaseLost", "DatabaseBusy", "StorageError"} <= retried
    assert [catcher["ErrorEquals"] for catcher in book["Catch"]] == [["Constraint"]]
    assert "Constraint" not in retried
    targets = {machine["StartAt"], book["Next"], *(catcher["Next"] for catcher in book["Catch"])}
    assert targets == set(machine["States"])


def test_one_table_names_every_parameter_with_its_default() -> None:
    template = load("template.yaml")
    section = DEPLOYING.partition("## Parameters")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? ?\| .+ \|$", section, re.MULTILINE)
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert rows == [(name, str(one["Default"])) for name, one in template["Parameters"].items()]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(name for name, _default in rows), "as the console shows them"


def test_the_overrides_of_the_pages_are_parameters() -> None:
    parameters = set(load("template.yaml")["Parameters"])
    commands = " ".join(re.findall(r"```sh\n(sam deploy .*?)```", DEPLOYING, re.DOTALL))

    named = set(re.findall(r"(\w+)=", commands))

    assert {"VpcId", "AvailabilityZoneA"} <= named <= parameters


def test_the_key_policy_of_the_page_lets_in_who_the_stack_encrypts_for() -> None:
    (policy,) = (block for block in json_blocks(DEPLOYING) if "LogGroups" in str(block))
    statements = {one["Sid"]: one for one in policy["Statement"]}
    template = load("template.yaml")
    resources = template["Resources"]
    topic = rendered(resources["AlarmTopicPolicy"]["Properties"], template, given(template))
    log_groups = [
        one["Properties"]["LogGroupName"]["Fn::Sub"].replace("${AWS::StackName}", "STACK")
        for one in resources.values()
        if one["Type"] == "AWS::Logs::LogGroup"
    ]
    publishers = {one["Principal"]["Service"] for one in topic["PolicyDocument"]["Statement"]}

    pattern = statements["LogGroups"]["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    name = pattern.partition(":log-group:")[2]
    assert all(fnmatchcase(group, name) for group in log_groups)
    assert set(statements["AlarmsAndFailedBackups"]["Principal"]["Service"]) == publishers


def test_the_page_on_callers_names_the_policies_of_the_stack() -> None:
    template = load("template.yaml")
    policies = {
        name: one["Value"]["Ref"]
        for name, one in template["Outputs"].items()
        if name.endswith("PolicyArn")
    }
    section = DEPLOYING.partition("## Callers")[2]
    rows = re.findall(r"^\| `(\w+PolicyArn)` \| (.+) \|$", section, re.MULTILINE)

    assert {name for name, _permits in rows} == set(policies)
    tag = re.findall(r"Key=([\w-]+)", section)[0]
    assert f"${{!aws:PrincipalTag/{tag}}}" in str(template["Resources"]["TenantPolicy"])
    for path in (path for path in ROUTES if "{" in path):
        assert path.format(database="DATABASE") in section


def test_every_link_inside_the_runbook_leads_to_a_heading() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    }

    assert set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK)) <= anchors


def test_the_sections_of_the_runbook_follow_their_index() -> None:
    index = re.findall(r"\]\(#([\w-]+)\)", RUNBOOK.partition("Three rules")[0])
    places = [RUNBOOK.lower().index(f"\n## {anchor.replace('-', ' ')}\n") for anchor in index]

    assert all(first < second for first, second in pairwise(places))


@pytest.mark.parametrize("part", re.findall(r"^\| `(.+?)`", TROUBLESHOOTING, re.MULTILINE))
def test_each_message_of_the_page_on_trouble_is_one_of_the_code(part: str) -> None:
    foreign = {"no such table", '"message":"Forbidden"', "Function not found", "SQLATCH_...:"}

    assert part in foreign or any(part in text for text in texts_of_the_code())


@cache
def texts_of_the_code() -> list[str]:
    rooms = ("handler", "hrana", "locking", "sqlatch", "sqlexec", "storage")
    return [
        "".join(str(getattr(value, "value", "")) for value in getattr(node, "values", [node]))
        for room in rooms
        for module in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.JoinedStr | ast.Constant)
    ]


def json_blocks(page: str) -> list[dict[str, Any]]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
