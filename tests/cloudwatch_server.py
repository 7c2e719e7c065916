"""CloudWatch on this machine: it reads metrics out of log lines, as the embedded format says.

Requests and answers travel as boto3 sends and takes them: JSON, with times in epoch seconds.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from typing import Any

from tests import http_server

TARGET = "GraniteServiceVersion20100801.GetMetricData"
Name = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class CloudWatchServer:
    """The values of each metric, each with its second; `refuses` answers in place of them."""

    url: str
    values: dict[Name, list[tuple[float, float]]] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    refuses: tuple[str, str] | None = None

    def take(self, lines: Iterable[str]) -> None:
        """Take the metrics out of lines of a log."""
        for line in lines:
            said = json.loads(line)
            at_s = said["_aws"]["Timestamp"] / 1000
            for directive in said["_aws"]["CloudWatchMetrics"]:
                for names in directive["Dimensions"]:
                    dimensions = tuple((name, said[name]) for name in names)
                    for metric in directive["Metrics"]:
                        value = said[metric["Name"]]
                        name = (directive["Namespace"], metric["Name"], dimensions)
                        for each in value if isinstance(value, list) else [value]:
                            self.values.setdefault(name, []).append((at_s, each))

    def answer(self, request: Any) -> dict[str, Any]:
        self.asked.append(request)
        start_s, end_s = request["StartTime"], request["EndTime"]
        results = []
        for query in request["MetricDataQueries"]:
            asked, metric = query["MetricStat"], query["MetricStat"]["Metric"]
            dimensions = tuple((one["Name"], one["Value"]) for one in metric["Dimensions"])
            name = (metric["Namespace"], metric["MetricName"], dimensions)
            periods: dict[int, list[float]] = {}
            for at_s, value in self.values.get(name, []):
                if start_s <= at_s < end_s:
                    periods.setdefault(int(at_s // asked["Period"]), []).append(value)
            found = sorted(periods.items(), reverse=True)
            results.append({
                "Id": query["Id"],
                "Label": metric["MetricName"],
                "Timestamps": [number * asked["Period"] for number, _values in found],
                "Values": [statistic(asked["Stat"], values) for _number, values in found],
                "StatusCode": "Complete",
            })  # fmt: skip
        return {"MetricDataResults": results, "Messages": []}


def statistic(name: str, values: list[float]) -> float:
    if name.startswith("p"):
        return float(sorted(values)[ceil(len(values) * int(name[1:]) / 100) - 1])
    return float(sum(values) if name == "Sum" else len(values))


@contextmanager
def running() -> Iterator[CloudWatchServer]:
    """A server, alive inside the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    state = CloudWatchServer(f"http://127.0.0.1:{server.server_port}")
    server.state = state  # type: ignore[attr-defined]
    with http_server.running(server):
        yield state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        state: CloudWatchServer = self.server.state  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["x-amz-target"] == TARGET
        if state.refuses is None:
            status, answer = 200, state.answer(json.loads(body))
        else:
            status, answer = 403, {"__type": state.refuses[0], "message": state.refuses[1]}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""
