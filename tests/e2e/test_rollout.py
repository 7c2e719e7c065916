"""The built check of new versions, asking the built functions."""

from tests import aws_server
from tests.e2e.conftest import Start
from tests.handler.test_rollout import DEPLOYMENT, QUERY, READ


def test_the_built_check_lets_the_built_functions_have_their_traffic(
    start: Start, settings: dict[str, str]
) -> None:
    query = start("QueryFunction")
    query.invoke({"query": "CREATE TABLE t (n)"})
    read = start("ReadFunction", environment={**settings, "SQLATCH_READ_ONLY": "true"})

    with aws_server.running() as aws:
        aws.functions |= {QUERY: query.invoke, READ: read.invoke}
        versions = {"QUERY_VERSION": QUERY, "READ_VERSION": READ}
        check = start("CheckFunction", environment={**settings, **aws.environment(), **versions})

        assert check.invoke(DEPLOYMENT) == {"checked": [QUERY, READ]}
        assert [report["status"] for report in aws.reports] == ["Succeeded"]
