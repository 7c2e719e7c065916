"""The example examples/django-polls: as a developer runs it, and as Lambda calls it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cloudformation import ROOT, load
from tests.conftest import Ask
from tests.pages import blocks

pytestmark = pytest.mark.django

EXAMPLE = ROOT / "examples" / "django-polls"

VISITOR = """
import json, re, sys
from urllib.parse import urlencode

import lambda_function

def ask(method, path, form=None, cookie=""):
    answer = lambda_function.site({
        "version": "2.0", "rawPath": path, "rawQueryString": "", "isBase64Encoded": False,
        "cookies": [cookie], "body": urlencode(form or {}),
        "headers": {"host": "x.execute-api.eu-west-1.amazonaws.com",
                    "content-type": "application/x-www-form-urlencoded"},
        "requestContext": {"http": {"method": method, "sourceIp": "192.0.2.1",
                                    "protocol": "HTTP/1.1", "path": path}},
    }, None)
    return answer["statusCode"], answer.get("cookies", []), answer["body"]

print(lambda_function.manage({"command": ["migrate"]}, None).count("OK") > 10)
from django.utils import timezone
from polls.models import Question
question = Question.objects.create(question_text="Tea or coffee?", pub_date=timezone.now())
tea = question.choice_set.create(choice_text="Tea")
print(ask("GET", "/polls/")[2].count("Tea or coffee?"))
_, cookies, page = ask("GET", "/polls/1/")
token = re.search('csrfmiddlewaretoken" value="([^"]+)"', page)[1]
form = {"choice": tea.pk, "csrfmiddlewaretoken": token}
print(ask("POST", "/polls/1/vote/", form, cookies[0].split(";")[0])[0])
print(ask("GET", "/polls/1/results/")[2].count("Tea -- 1 vote"))
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("*.db*", ".leases*", "__pycache__")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "example", ignore=ignored))


def run(example: Path, *arguments: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=example,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def bash(example: Path, commands: str) -> str:
    """Run commands of a page, whose `python` is this one."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-euc", commands], cwd=example, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_the_commands_of_its_readme(example: Path) -> None:
    find, install, *commands, serve = blocks((EXAMPLE / "README.md").read_text(), "sh")[
        0
    ].splitlines()
    assert (find, install) == (
        'export PIP_FIND_LINKS="$PWD/../../dist"',
        "pip install -r requirements.txt",
    ), "tests/wheel/test_django.py installs it"
    assert serve == "python manage.py runserver"

    assert "\nOK" in bash(example, "\n".join(commands))
    assert "No changes" in run(example, "manage.py", "makemigrations", "--check")


def test_a_migration_gets_a_longer_lease_as_the_page_says(example: Path) -> None:
    (commands,) = [
        one for one in blocks((ROOT / "docs" / "django.md").read_text(), "sh") if "manage" in one
    ]

    assert "Applying polls.0001_initial... OK" in bash(example, commands)


def test_on_lambda_beside_the_service(
    example: Path, environment: dict[str, str], ask: Ask, directory: Path
) -> None:
    on_lambda = {
        "AWS_LAMBDA_FUNCTION_NAME": "polls",
        "DATABASES_DIRECTORY": str(directory),
        "SECRET_KEY": "x" * 50,
        "ALLOWED_HOSTS": ".amazonaws.com",
    }

    printed = run(example, "-c", VISITOR, **environment, **on_lambda).split()

    assert printed == ["True", "1", "302", "1"]
    vote = "UPDATE polls_choice SET votes = votes + 1 RETURNING votes"
    assert ask(query=vote, database="polls")["rows"] == [[2]]
    assert ask(health=True)["leases"] == []


def test_its_template_gives_the_functions_what_the_settings_read() -> None:
    template = load("examples/django-polls/template.yaml")
    variables: dict[str, Any] = template["Globals"]["Function"]["Environment"]["Variables"]
    manage = template["Resources"]["ManageFunction"]["Properties"]

    settings = (EXAMPLE / "mysite" / "settings.py").read_text()

    assert {"DATABASES_DIRECTORY", "SECRET_KEY", "ALLOWED_HOSTS"} <= set(variables)
    assert all(f'"{name}"' in settings for name in variables if name != "SQLATCH_LEASES")
    expiration_s = int(manage["Environment"]["Variables"]["SQLITE_LOCK_EXPIRATION"])
    assert expiration_s < manage["Timeout"]


def test_its_template_imports_what_the_service_exports() -> None:
    exports = {
        output["Export"]["Name"]["Fn::Sub"].partition("-")[2]
        for output in load("template.yaml")["Outputs"].values()
        if "Export" in output
    }
    text = json.dumps(load("examples/django-polls/template.yaml"))

    imported = {part.partition('"')[0] for part in text.split("${ServiceStack}-")[1:]}

    assert imported <= exports
    assert {"AccessPointArn", "LeaseTableName", "SubnetIds"} <= imported
