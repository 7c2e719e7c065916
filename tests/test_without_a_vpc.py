"""The page on a stack without a VPC: its commands for your own machine, run as they stand."""

import json
import re
from pathlib import Path
from typing import Any

from handler.settings import Settings
from tests.cloudformation import ROOT, given, load, rendered
from tests.conftest import Ask
from tests.pages import blocks, free_ports, shell, steps

PAGE = (ROOT / "docs" / "without-a-vpc.md").read_text()


def commands(step: str) -> str:
    return "\n".join(blocks(steps(PAGE)[step], "sh"))


def test_the_commands_for_your_machine_answer_as_the_page_says(tmp_path: Path) -> None:
    with (
        free_ports(2) as (aws, service),
        shell(tmp_path, {"5000": aws, "8000": service}) as run,
    ):
        text = run(commands("1"))

    read: dict[str, Any] = json.loads(text[text.rindex('{"columns"') :])
    said = re.search(r'`"rows":(.+?)`, and `"position":"(\w+)"`', steps(PAGE)["1"])
    assert said is not None
    assert (json.loads(said[1]), said[2]) == (read["rows"], read["meta"]["position"])
    assert read["rows"] == [["home", 3]]


def test_the_requests_for_aws_are_those_that_were_run(ask: Ask) -> None:
    asked = [json.loads(one) for one in re.findall(r"^ask '(.+)'$", commands("2"), re.MULTILINE)]
    sent = re.findall(r"-d '(.+?)' ", commands("1"))

    assert asked == [json.loads(one) for one in sent]
    assert [ask(one) for one in asked][-1]["rows"] == [["home", 3]]


def test_the_table_of_the_page_is_made_as_the_template_makes_it() -> None:
    table = load("template.yaml")["Resources"]["LogTable"]["Properties"]
    page = re.sub(r"\s+", " ", commands("1"))

    for name in ("AttributeDefinitions", "KeySchema"):
        items = ", ".join(json.dumps(one) for one in table[name])
        assert f"{name}=[ {items}, ]" in page
    assert f'BillingMode="{table["BillingMode"]}"' in page


def test_the_log_of_the_page_lies_as_that_of_a_stack() -> None:
    template = load("template.yaml")
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    of_stack = rendered(variables["SQLATCH_LOG"], template, given(template, Engine="dynamodb"))
    (of_page,) = re.findall(r"export SQLATCH_LOG=(\S+)", commands("1"))

    (_, _, prefix), (_, _, prefix_of_page) = (
        Settings.from_environment({"SQLATCH_LOG": one}).log_table or ("", "", "")
        for one in (of_stack.replace("<", "a").replace(">", ""), of_page)
    )
    assert prefix == prefix_of_page == "databases/"
