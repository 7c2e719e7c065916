"""SECURITY.md: what its table says of the stack and of the lock files."""

import re

from tests.cloudformation import ROOT, load

TEMPLATE, TRANSFER = load("template.yaml"), load("docs/transfer.yaml")
REQUIREMENT = re.compile(
    r"^\S+==\S+ .*\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", re.MULTILINE
)


def test_a_stack_of_its_own_network_has_no_way_to_the_internet() -> None:
    types = {one["Type"] for one in TEMPLATE["Resources"].values()}

    assert "AWS::EC2::VPC" in types
    assert not types & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route"}


def test_clients_without_tls_are_refused() -> None:
    file_system = TEMPLATE["Resources"]["FileSystem"]["Properties"]["FileSystemPolicy"]
    copies = TRANSFER["Resources"]["CopiesPolicy"]["Properties"]["PolicyDocument"]
    logs = TEMPLATE["Resources"]["LogBucketPolicy"]["Properties"]["PolicyDocument"]

    for policy, actions in (
        (file_system, {"elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"}),
        (copies, {"s3:*"}),
        (logs, {"s3:*"}),
    ):
        (statement,) = (one for one in policy["Statement"] if one["Sid"] == "OnlyEncryptedClients")
        asked = statement["Action"]
        assert actions <= set([asked] if isinstance(asked, str) else asked)
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_requirement_is_pinned_with_a_hash() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        lines = re.sub(r"^ *#.*\n", "", path.read_text(), flags=re.MULTILINE)

        assert lines
        assert not REQUIREMENT.sub("", lines).strip(), path.name
