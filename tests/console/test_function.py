"""Watch of a function: its counts come from CloudWatch, by way of `sqlatch console`."""

from collections.abc import Iterator

import pytest

from handler.service import service
from sqlatch import connect
from sqlatch.server.http import Server
from sqlatch.server.proxy import Proxy
from tests import cloudwatch_server, local_server
from tests.cloudwatch_server import CloudWatchServer
from tests.conftest import forget
from tests.console.conftest import Open
from tests.console.test_access import checked
from tests.dynamodb_server import CREDENTIALS
from tests.sqlatch import lambda_server
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer


@pytest.fixture
def aws(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[LambdaServer, CloudWatchServer]]:
    """Lambda and CloudWatch, for boto3 of this process."""
    with lambda_server.running() as functions, cloudwatch_server.running() as metrics:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", functions.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", metrics.url)
        yield functions, metrics


def test_the_counts_of_a_function_by_the_hour_or_why_aws_refuses_them(
    opened: Open,
    aws: tuple[LambdaServer, CloudWatchServer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _functions, metrics = aws
    with connect(f"lambda://{FUNCTION}/main") as client:
        client.execute("CREATE TABLE notes (text)")
        client.query("SELECT * FROM notes")
        metrics.take(capsys.readouterr().err.splitlines())
        metrics.refuses = ("AccessDenied", "User: me is not authorized")
        proxy = Proxy(client)
        server = Server(proxy.answer, 0, threads=4)
        with local_server.running(server):
            link = f"{server.url}/console#db=main&token={proxy.secret}"

            page = opened("&view=watch", at=link)

            page.get_by_text("AWS refuses cloudwatch:GetMetricData").wait_for()
            metrics.refuses = None
            page.reload()
            hours = page.locator("table.hours tbody tr")
            hours.nth(2).wait_for()
            newest = hours.first.locator("td").all_text_contents()
            assert newest[1:3] == ["2", "0"]
            assert all(text.endswith("ms") for text in newest[3:6])
            assert newest[6] == "1"
            page.get_by_text("Metrics sqlatch with service sqlatch").wait_for()
            checked(page, "function")


def test_a_function_asked_by_its_url_says_how_to_see_its_counts(
    opened: Open, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_CONSOLE", "true")
    forget(service)
    server = Server(local_server.answer, 0)
    with local_server.running(server):
        page = opened("&view=watch", at=f"{server.url}/console#db=main")

        page.get_by_text("sqlatch console -u lambda://FUNCTION/main").wait_for()
