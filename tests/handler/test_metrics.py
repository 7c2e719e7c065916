"""The part of a line that CloudWatch reads: the metrics with their units and their namespace."""

import pytest

from handler.metrics import directive_of, name_of


def test_each_metric_has_its_unit() -> None:
    (directive,) = directive_of(("DurationMs", "Requests", "HydrationMs"))

    assert directive["Metrics"] == [
        {"Name": "DurationMs", "Unit": "Milliseconds"},
        {"Name": "Requests", "Unit": "Count"},
        {"Name": "HydrationMs", "Unit": "Milliseconds"},
    ]


def test_a_name_is_the_service_s_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POWERTOOLS_SERVICE_NAME", raising=False)
    assert name_of("POWERTOOLS_SERVICE_NAME") == "sqlatch"

    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "shop")
    assert name_of("POWERTOOLS_SERVICE_NAME") == "shop"
