"""Each block of shell, Python or JavaScript of each page is run by a test, or is listed here."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.pages import ROOT, blocks

LANGUAGES = ("sh", "python", "js", "sql")
PAGES = sorted([
    ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md"),
    ROOT / "sqlatch" / "README.md",
])  # fmt: skip

RUN = {
    "README.md": ["tests/test_demo.py"],
    "docs/asyncio.md": ["tests/sqlatch/test_aio.py"],
    "docs/client.md": ["tests/wheel/test_wheel.py"],
    "docs/clients.md": ["tests/clients/test_examples.py"],
    "docs/command-line.md": ["tests/wheel/test_wheel.py"],
    "docs/deploying.md": ["tests/tools/test_operators_commands.py"],
    "docs/django-remote.md": ["tests/django/test_remote_site.py"],
    "docs/django-routing.md": ["tests/django_routing/project/test_documents.py"],
    "docs/django.md": ["tests/django/test_documents.py"],
    "docs/file-and-log.md": ["tests/test_file_and_log.py"],
    "docs/getting-started-aws.md": ["tests/tools/test_pages_on_aws.py"],
    "docs/getting-started.md": ["tests/wheel/test_getting_started.py"],
    "docs/history.md": ["tests/test_history_page.py"],
    "docs/http.md": [
        "tests/test_demo.py", "tests/tools/test_pages_on_aws.py", "tests/clients/test_caches.py",
    ],
    "docs/migrating-from-django-distributed.md": [
        "tests/django_routing/project/test_documents.py"
    ],
    "docs/migrating-from-django-sqlite-efs.md": ["tests/django/test_documents.py"],
    "docs/migrating-from-sqlite.md": ["tests/test_migrating.py"],
    "docs/nodes.md": ["tests/test_nodes_page.py"],
    "docs/runbook.md": ["tests/tools/test_operators_commands.py"],
    "docs/replicas.md": ["tests/sqlatch/test_replicas_page.py"],
    "docs/sqlalchemy.md": ["tests/wheel/test_wheel.py", "tests/clients/test_examples.py"],
    "docs/sqs.md": ["tests/tools/test_pages_on_aws.py"],
    "docs/tokens.md": ["tests/test_tokens.py"],
    "docs/vectors.md": ["tests/storage/test_vectors.py"],
    "docs/without-a-vpc.md": ["tests/test_without_a_vpc.py", "tests/tools/test_pages_on_aws.py"],
    "examples/django-polls/README.md": [
        "tests/django/test_polls.py", "tests/tools/test_operators_commands.py",
    ],
    "examples/graphql/README.md": ["tests/examples/test_graphql.py"],
    "examples/three-nodes/README.md": ["tests/examples/test_three_nodes.py"],
    "examples/two-continents/README.md": ["tests/examples/test_two_continents.py"],
    "sqlatch/README.md": ["tests/wheel/test_wheel.py"],
}  # fmt: skip
"""The files with the tests that run a page's blocks, but for those of NOT_RUN."""

DEPLOYS = "deploys to an account"
NOT_RUN = {
    ("docs/getting-started-aws.md", "make build\n"): DEPLOYS,
    ("docs/getting-started-aws.md", "make smoke"): f"{DEPLOYS}; tests/tools/test_smoke.py runs it",
    ("docs/vectors.md", "make build"): DEPLOYS,
    ("docs/without-a-vpc.md", "make build"): DEPLOYS,
    ("examples/three-nodes/README.md", "docker compose"): "needs Docker",
    ("docs/nodes.md", "export SQLATCH_LOG=directory:/mnt"): "runs on machines of your own",
    ("docs/nodes.md", "export SQLATCH_LOG=https:"): "runs on machines of your own",
    ("docs/nodes.md", "export AWS_REGION"): "two regions: tests/handler/test_regions.py",
    ("docs/sam-local.md", "make sam-local"): "needs Docker: tests/e2e/test_sam_local.py",
    ("docs/sam-local.md", "sam_local() {"): "needs Docker",
    ("docs/sam-local.md", "sam_local start-api"): "needs Docker",
}  # fmt: skip
INSTALLS = re.compile(r"^pip install .*$\n?", re.MULTILINE)
EXTRAS = re.compile(r"sqlatch-\S*?whl\S*?\[([\w,]+)\]")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def to_run(page: Path) -> list[str]:
    """Return the blocks of a page that a test must run: what does more than install the wheel."""
    found = [block for one in LANGUAGES for block in blocks(page.read_text(), one)]
    return [block for block in found if INSTALLS.sub("", block).strip()]


def is_left_out(page: Path, block: str) -> bool:
    return any(name_of(page) == name and block.startswith(begins) for name, begins in NOT_RUN)


def test_each_page_with_a_block_to_run_has_tests_that_run_it() -> None:
    with_blocks = [
        name_of(page)
        for page in PAGES
        if any(not is_left_out(page, block) for block in to_run(page))
    ]

    assert sorted(RUN) == sorted(with_blocks)


def test_what_is_not_run_is_a_block_of_its_page() -> None:
    for name, begins in NOT_RUN:
        assert any(block.startswith(begins) for block in to_run(ROOT / name)), (name, begins)


@pytest.mark.parametrize("page", RUN)
def test_the_tests_of_a_page_read_it(page: str) -> None:
    *_directories, name = page.split("/")
    for file in RUN[page]:
        text = (ROOT / file).read_text()
        assert name in text or page.split("/")[-2] in text, file


def test_what_a_page_installs_are_extras_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installs = [line for page in PAGES for line in INSTALLS.findall(page.read_text())]
    extras = {
        one for line in installs for found in EXTRAS.findall(line) for one in found.split(",")
    }

    assert {"aio", "aws", "cli", "django", "mcp", "server"} <= extras
    assert extras <= set(project["optional-dependencies"])
