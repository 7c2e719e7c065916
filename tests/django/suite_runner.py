"""Django's test runner, which also writes down how each test ended."""

import json
import os
from pathlib import Path
from typing import Any

from django.test.runner import DiscoverRunner
from django.test.utils import iter_test_cases


class Runner(DiscoverRunner):
    """Writes `{test: outcome}` to the file SUITE_OUTCOMES; what raised nothing has passed."""

    def suite_result(self, suite: Any, result: Any, **options: Any) -> Any:
        outcomes = {case.id(): "passed" for case in self.cases}
        endings = {
            "failed": result.failures,
            "error": result.errors,
            "skipped": result.skipped,
            "expected failure": result.expectedFailures,
        }
        for ending, cases in endings.items():
            for case, _why in cases:
                outcomes[getattr(case, "test_case", case).id()] = ending
        for case in result.unexpectedSuccesses:
            outcomes[case.id()] = "unexpected success"
        Path(os.environ["SUITE_OUTCOMES"]).write_text(json.dumps(outcomes))
        return super().suite_result(suite, result, **options)

    def run_suite(self, suite: Any, **options: Any) -> Any:
        # Kept from before the run: a suite forgets its cases as they end.
        self.cases = list(iter_test_cases(suite))
        return super().run_suite(suite, **options)
