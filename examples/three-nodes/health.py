"""Tells whether a node or a site is healthy: `python health.py URL` ends with 0 if it is."""

import json
import os
import sys
from urllib.error import URLError
from urllib.request import Request, urlopen

ANSWER_S = 5


def is_healthy(url: str, token: str) -> bool:
    """Return whether the URL answers with 200, and where a leader is to be chosen, one is."""
    request = Request(url, headers={"authorization": f"Bearer {token}"})
    try:
        with urlopen(request, timeout=ANSWER_S) as answer:
            return answer.status == 200 and json.load(answer).get("leader", "") is not None
    except (URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(not is_healthy(sys.argv[1], os.environ["SQLATCH_TOKEN"]))
