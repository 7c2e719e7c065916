"""The README and the reference under test: their tables name what the code has, and their
examples work."""

import json
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from events.http import STATUS
from events.request import QueryEvent
from handler.settings import Settings, variable_of
from sqlatch.kernel import errors
from tests.cloudformation import load
from tests.conftest import Ask
from tests.pages import blocks

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
README_BYTES_MAX = 6_144
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
NO_DEFAULT = (
    "SQLATCH_DATABASES",
    "SQLATCH_LOG",
    "SQLATCH_LOG_TOKEN",
    "SQLATCH_LEADER",
    "SQLATCH_NODE",
    "SQLATCH_COPIES",
    "SQLATCH_LEASES",
    "SQLATCH_RESULTS",
    "SQLATCH_TOKEN_KEYS",
    "SQLATCH_JWT_DATABASES_CLAIM",
)
ROOMS = ("events", "handler", "sqlexec", "storage", "locking")


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without backticks."""
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    return [[bare(cell) for cell in row] for row in cells[2:]]


def test_the_readme_is_read_in_two_minutes() -> None:
    assert len(README.encode()) <= README_BYTES_MAX


def test_the_index_names_every_page() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    index = (ROOT / "docs" / "README.md").read_text()

    assert (
        set(re.findall(r"\]\((?!\.\.)([\w-]+\.md)\)", index.partition("## All pages")[2])) == pages
    )


def test_the_error_table_is_the_code() -> None:
    classes = errors.kinds()

    assert [[cell.lower() for cell in row] for row in table(REFERENCE, "Errors")] == [
        [each.code.lower(), str(STATUS[each.code]), "yes" if each.retryable else "no", when(each)]
        for each in classes
    ]


def when(error: type) -> str:
    return bare((error.__doc__ or "").splitlines()[0]).rstrip(".").lower()


def bare(text: str) -> str:
    return text.replace("`", "").strip()


def test_the_settings_table_is_the_model_and_the_template_sets_them_all() -> None:
    settings = {variable_of(field.name): field for field in fields(Settings)}
    template = load("template.yaml")
    declared = template["Globals"]["Function"]["Environment"]["Variables"]

    rows = {row[0]: row[1] for row in table(REFERENCE, "Settings")}

    assert list(rows) == list(settings)
    for variable, field in settings.items():
        if variable not in NO_DEFAULT:
            assert rows[variable] == str(field.default).lower()
    assert {name for name in declared if name.startswith("SQLATCH_")} == set(settings)


def test_the_request_table_is_the_model() -> None:
    assert {row[0] for row in table(REFERENCE, "The request")} == {
        field.name for field in fields(QueryEvent)
    }


def test_the_commands_are_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"^([a-z0-9-]+):.*  ## (.*)$", makefile, flags=re.MULTILINE)
    described = {f"make {name}": bare(text) for name, text in commands if name != "help"}

    for command, text in table(CONTRIBUTING, "Commands"):
        assert described.pop(command).startswith(text)
    assert described == {}


def test_the_example_request_gives_the_example_reply(ask: Ask) -> None:
    request, reply = (json.loads(block) for block in blocks(REFERENCE, "json"))
    for sample in ("01-create", "02-insert"):
        ask(json.loads((ROOT / f"events/samples/{sample}.json").read_text()))

    answer = ask(request)

    assert set(answer.pop("meta")) == set(reply.pop("meta"))
    assert answer == reply


def test_no_page_has_the_package_from_an_index_where_it_is_not() -> None:
    installs = [
        line
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "sqlatch" / "README.md"]
        if page.name != "CHANGELOG.md"
        for line in re.findall(r"pip install .*?sqlatch.*", page.read_text())
    ]

    assert len(installs) > 9
    assert [line for line in installs if ".whl" not in line] == []


def test_the_links_of_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/DESIGN.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / link).exists(), (document.name, link)


def test_the_shell_examples_parse() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for block in blocks(page.read_text(), "sh"):
            done = subprocess.run(["bash", "-n"], input=block, text=True, check=False)
            assert done.returncode == 0, (page.name, block)


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_a_page_on_its_design_that_names_its_modules(room: str) -> None:
    page = (ROOT / room / "DESIGN.md").read_text()
    modules = {path.name for path in (ROOT / room).glob("*.py")} - {"__init__.py"}

    named = set(re.findall(r"`(\w+\.py)`", page))

    assert len(page.splitlines()) < 60
    assert named <= modules
    assert modules - named <= {"statement.py", "tables.py"}


@pytest.mark.parametrize(
    "page",
    sorted(str(page) for page in (*ROOT.glob("*/DESIGN.md"), *ROOT.glob("tests/*/DESIGN.md"))),
)
def test_the_drawing_of_a_page_names_modules_that_are_there(page: str) -> None:
    drawings = blocks(Path(page).read_text(), "mermaid")
    room = Path(page).parent
    modules = {path.name for path in room.rglob("*.py")}

    named = {name for drawing in drawings for name in re.findall(r"\b([\w/]+\.py)\b", drawing)}

    assert len(drawings) == 1
    assert {one for one in named if not any((at / one).is_file() for at in (room, ROOT))} <= modules


def test_every_function_of_the_template_is_there() -> None:
    resources: dict[str, Any] = load("template.yaml")["Resources"]
    handlers = {
        resource["Properties"]["Handler"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Serverless::Function"
    }

    assert handlers == {
        "handler.query.lambda_handler",
        "handler.reaper.lambda_handler",
        "handler.rollout.lambda_handler",
    }
    assert yaml.safe_load((ROOT / "events/local-env.json").read_text())
