"""A new version by template.yaml: the alias, the check, and when one is published."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.test_template import PARAMETERS, RESOURCES, TEMPLATE, environment, iam_statements

ROLLED_OUT = ("QueryFunction", "ReadFunction")
VERSIONED = (
    *("Architectures", "EphemeralStorage", "FileSystemConfigs", "MemorySize", "SnapStart"),
    *("Timeout", "VpcConfig"),
)
"""Properties that a published version keeps; the environment is one more."""

NEVER_CHANGE = {
    "LeaseTable", "LogTable", "LogBucket", "ResultBucket", "AccessPoint", "AWS::StackName"
}  # fmt: skip
"""While the stack lives: their names, or the name of the stack."""

CODEDEPLOY_ALARMS_MAX = 10
DESCRIPTION_MAX = 256
LONGEST = {"Auth": "token", "Keys": "9" * 6}
IN_A_VPC = {
    "Kept": "10240",
    "SubnetA": "subnet-" + "0" * 17,
    "SubnetB": "subnet-" + "0" * 17,
    "Group": "sg-" + "0" * 17,
}
WITHOUT = {
    "Kept": "dynamodb 10240MB snapstart false",
    "SubnetA": "none",
    "SubnetB": "none",
    "Group": "none",
}
"""What the description of a version says beside parameters, at its longest."""


@pytest.mark.parametrize("function", ROLLED_OUT)
def test_every_setting_that_a_version_keeps_makes_a_new_version_when_it_changes(
    function: str,
) -> None:
    """And no other does: Lambda refuses to publish a version in which nothing changed."""
    properties = {**TEMPLATE["Globals"]["Function"], **RESOURCES[function]["Properties"]}
    kept = [properties[name] for name in VERSIONED]

    described = unconditional(names(properties["VersionDescription"]))
    described |= set(names(RESOURCES["TokenKeysRevision"]["Properties"]))

    settings = unconditional(names([kept, environment(function)])) - NEVER_CHANGE
    settings -= {"AWS::NoValue"}
    assert described - {"TokenKeysRevision"} == settings
    assert properties["AutoPublishAliasAllProperties"] is True


@pytest.mark.parametrize("function", ROLLED_OUT)
@pytest.mark.parametrize("own_longest", [LONGEST | IN_A_VPC, LONGEST | WITHOUT])
def test_the_description_of_a_version_is_never_too_long(
    function: str, own_longest: dict[str, str]
) -> None:
    text, own = RESOURCES[function]["Properties"]["VersionDescription"]["Fn::Sub"]
    assert set(own) == set(own_longest)
    longest = {name: longest_of(name) for name in PARAMETERS}
    longest |= own_longest

    described = re.sub(r"\$\{(\w+)\}", lambda found: longest[found[1]], text)

    assert len(described) <= DESCRIPTION_MAX


def test_who_calls_a_function_calls_its_alias() -> None:
    body = str(RESOURCES["HttpApi"]["Properties"]["DefinitionBody"])
    permissions = [one for one in RESOURCES.values() if one["Type"] == "AWS::Lambda::Permission"]

    called = re.findall(r"functions/\$\{(.*?)/invocations", body)
    assert set(called) == {f"{name}.Arn}}:live" for name in ROLLED_OUT}
    for permission in permissions:
        assert permission["Properties"]["FunctionName"]["Ref"] in {
            f"{name}.Alias" for name in ROLLED_OUT
        }
    for name in ROLLED_OUT:
        assert TEMPLATE["Outputs"][f"{name}Arn"]["Value"] == {"Ref": f"{name}.Alias"}
        assert TEMPLATE["Outputs"][f"{name}Name"]["Value"] == {"Fn::Sub": f"${{{name}}}:live"}
        assert RESOURCES[name]["Properties"]["AutoPublishAlias"] == "live"


@pytest.mark.parametrize("function", ROLLED_OUT)
def test_a_new_version_is_checked_and_watched(function: str) -> None:
    preference = RESOURCES[function]["Properties"]["DeploymentPreference"]
    hook = RESOURCES[preference["Hooks"]["PreTraffic"]["Ref"]]["Properties"]
    alarms = list(names(preference["Alarms"]))

    assert hook["Handler"] == "handler.rollout.lambda_handler"
    assert hook["FunctionName"]["Fn::Sub"].startswith("CodeDeployHook_"), "what CodeDeploy may call"
    assert "VpcConfig" not in hook | TEMPLATE["Globals"]["Function"]
    assert len(alarms) <= CODEDEPLOY_ALARMS_MAX
    conditions = set(alarms) & set(TEMPLATE["Conditions"])
    assert {RESOURCES[alarm]["Type"] for alarm in set(alarms) - conditions} == {
        "AWS::CloudWatch::Alarm"
    }


def test_each_way_of_rolling_out_is_one_that_sam_knows() -> None:
    """SAM reads the mapping while it renders; what is not in it would fail the deploy."""
    ways = PARAMETERS["Deployment"]["AllowedValues"]
    checked = {way: one["Checked"] for way, one in TEMPLATE["Mappings"]["Deployments"].items()}

    assert checked == {way: "false" if way == "Unchecked" else "true" for way in ways}
    assert PARAMETERS["Deployment"]["Default"] == "AllAtOnce"


def test_the_check_may_invoke_the_two_functions_and_report() -> None:
    statements = {one["Sid"]: one for one in iam_statements(RESOURCES["CheckRole"])}

    assert {sid: one["Action"] for sid, one in statements.items()} == {
        "Logs": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "NewVersions": "lambda:InvokeFunction",
        "Report": "codedeploy:PutLifecycleEventHookExecutionStatus",
    }
    assert statements["NewVersions"]["Resource"] == [f"<{name}.Arn>:*" for name in ROLLED_OUT]
    assert "ManagedPolicyArns" not in RESOURCES["CheckRole"]["Properties"]


def names(part: Any) -> Iterator[str]:
    """Parameters, resources and conditions that a part of the template names."""
    if isinstance(part, list):
        for one in part:
            yield from names(one)
    elif isinstance(part, dict):
        for name, given in part.items():
            if name in ("Ref", "Fn::If", "Fn::GetAtt"):
                yield given if name == "Ref" else given[0]
            if name == "Fn::Sub":
                text, own = (given, {}) if isinstance(given, str) else given
                yield from set(re.findall(r"\$\{(.*?)\}", text)) - set(own)
            yield from names(given)


def unconditional(named: Iterator[str]) -> set[str]:
    """The names, with those that a condition looks at in place of the condition."""
    return {
        one
        for name in named
        for one in (
            names(TEMPLATE["Conditions"][name]) if name in TEMPLATE["Conditions"] else [name]
        )
    }


def text_max(parameter: dict[str, Any]) -> int:
    return int(parameter.get("MaxLength", 0))


def longest_of(name: str) -> str:
    parameter = PARAMETERS[name]
    values = parameter.get("AllowedValues", [parameter.get("MaxValue", "x" * text_max(parameter))])
    return max(map(str, values), key=len)
