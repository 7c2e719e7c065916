"""The template as SAM renders it: the callers of the alias, and the steps of a deployment."""

import json
import subprocess
from functools import cache
from typing import Any

import pytest

from tests.cloudformation import ROOT

PYTHON = ROOT / ".venv-sam" / "bin" / "python"
PROGRAM = """
import json, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
import boto3
template = yaml_parse(open("template.yaml").read())
template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="eu-west-1"))
parameters = dict(one.split("=") for one in sys.argv[1:])
print(json.dumps(translator.translate(template, parameters)["Resources"]))
"""
ALIAS = {"Ref": "QueryFunctionAliaslive"}


@cache
def resources(*parameters: str) -> dict[str, Any]:
    done = subprocess.run(
        [PYTHON, "-c", PROGRAM, *parameters], cwd=ROOT, capture_output=True, check=True, text=True
    )
    rendered: dict[str, Any] = json.loads(done.stdout)
    return rendered


@pytest.mark.parametrize("queue", ["Writes", "OrderedWrites"])
def test_the_queues_call_the_alias(queue: str) -> None:
    mapping = resources()[f"QueryFunction{queue}"]["Properties"]

    assert mapping["FunctionName"] == ALIAS


def test_failed_asynchronous_invocations_of_the_alias_are_kept() -> None:
    config = resources()["QueryFunctionEventInvokeConfig"]["Properties"]

    assert config["Qualifier"] == "live"
    assert config["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0] == (
        "FailedInvocations"
    )


def test_the_routes_may_call_the_alias() -> None:
    permission = resources()["QueryRoutePermission"]["Properties"]

    assert permission["FunctionName"] == ALIAS


@pytest.mark.parametrize(
    "way", ["AllAtOnce", "Canary10Percent5Minutes", "Linear10PercentEvery1Minute"]
)
def test_each_way_is_a_configuration_of_codedeploy(way: str) -> None:
    rendered = resources(f"Deployment={way}")
    group = rendered["ReadFunctionDeploymentGroup"]["Properties"]
    update = rendered["ReadFunctionAliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]

    name, values = group["DeploymentConfigName"]["Fn::Sub"]
    assert name.replace("${ConfigName}", values["ConfigName"]) == f"CodeDeployDefault.Lambda{way}"
    assert group["AlarmConfiguration"]["Enabled"] is True
    assert update["BeforeAllowTrafficHook"] == {"Ref": "CheckFunction"}


def test_unchecked_is_no_deployment_of_codedeploys() -> None:
    rendered = resources("Deployment=Unchecked")

    assert "UpdatePolicy" not in rendered["QueryFunctionAliaslive"]
    assert not [one for one in rendered.values() if one["Type"].startswith("AWS::CodeDeploy")]
