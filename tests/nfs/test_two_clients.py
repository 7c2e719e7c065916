"""Two clients of one share: what one commits the other reads at once."""

import pytest

from tests.nfs.lab import Lab

pytestmark = pytest.mark.nfs

ROUNDS = 20


def test_a_commit_on_one_client_is_what_the_other_reads_next(
    the_lab: Lab, environment: dict[str, str]
) -> None:
    seen = []
    with the_lab.a.instance(environment) as on_a, the_lab.b.instance(environment) as on_b:
        on_a.ask(query="CREATE TABLE counter AS SELECT 0 AS n")
        for turn in range(ROUNDS):
            writer, reader = (on_a, on_b) if turn % 2 else (on_b, on_a)
            assert "reply" in writer.ask(query="UPDATE counter SET n = n + 1")
            seen += reader.ask(query="SELECT n FROM counter")["reply"]["rows"]

    assert seen == [[turn + 1] for turn in range(ROUNDS)]
