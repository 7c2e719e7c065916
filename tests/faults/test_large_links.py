"""A link to a result that is larger than the memory of a function: it takes that of a few parts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from sqlatch.kernel.aws.written import PART_BYTES
from tests.dynamodb_server import CREDENTIALS
from tests.faults.report import FULL
from tests.servers import serving

pytestmark = pytest.mark.slow

ROWS = 5_700_000 if FULL else 570_000
"""Of 180 bytes as JSON: a gigabyte, or a tenth."""


@pytest.mark.parametrize("form", ["jsonl", "csv.gz"] if FULL else ["jsonl"])
def test_a_large_result_takes_the_memory_of_a_few_parts(form: str, tmp_path: Path) -> None:
    with serving("tests.s3_counting") as url:
        variables = {
            "AWS_ENDPOINT_URL": url,
            "SQLATCH_DATABASES": str(tmp_path),
            "SQLATCH_RESULTS": "s3://results/whole",
            "SQLATCH_RESULTS_BYTES_MAX": "2000000000",
            "SQLATCH_TIMEOUT_MS": "900000",
        }
        command = [sys.executable, "-m", "tests.faults.large_link", form, str(ROWS)]
        done = subprocess.run(
            command,
            env=os.environ | CREDENTIALS | variables,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        said = json.loads(done.stdout)
        with urlopen(said["link"]["url"]) as answer:
            kept_bytes = int(answer.read())

    assert (said["link"]["rows"], said["link"]["bytes"]) == (ROWS, kept_bytes)
    before_kb, after_kb = said["peak_kb"]
    assert after_kb - before_kb <= 5 * PART_BYTES / 1024, said
