"""The addresses in the settings: their forms, and which of them do not go together."""

import re
from collections.abc import Mapping

IN_A_DIRECTORY = "directory:"
IN_A_TABLE = re.compile(r"dynamodb:([^,]+),s3://([^/]+)/?(.*)")
IN_A_BUCKET = "s3://"
IN_A_CLUSTER = "lease:"
AT_A_NODE = re.compile(r"https?://[^\s,]+(,https?://[^\s,]+)*")

LEADER = f"^(https?://[^\\s,]+|{IN_A_CLUSTER}[a-z0-9][a-z0-9_-]{{0,62}})$"
NODE = r"^https?://[^\s,]{1,500}$"
LOG = f"^({IN_A_DIRECTORY}.|{IN_A_TABLE.pattern}$|{AT_A_NODE.pattern}$)"

FORMS = {
    "log": "directory:<path>, dynamodb:<table>,s3://<bucket>/<prefix> or https://<node>",
    "leader": "https://<node> or lease:<cluster>",
    "node": "https://<node>",
    "leases": "dynamodb:<table> or sqlite:<file>",
    "results": "s3://<bucket>/<prefix>",
}
"""The forms of settings that are checked with a pattern, for people."""


def misfit(given: Mapping[str, str], *, in_lambda: bool) -> str | None:
    """Return why the settings given do not go together; None if they do."""
    log, leader = given.get("log", ""), given.get("leader", "")
    needs_lease = not (IN_A_TABLE.fullmatch(log) or AT_A_NODE.fullmatch(log))
    if needs_lease and in_lambda and "leases" not in given:
        return (
            "SQLATCH_LEASES: is not set; on Lambda it is dynamodb:<table>,"
            " since a file of leases would lie on NFS"
        )
    if leader and AT_A_NODE.fullmatch(log):
        return "SQLATCH_LEADER: the node that SQLATCH_LOG names has one: unset it here"
    if leader.startswith(IN_A_CLUSTER) and not log:
        return "SQLATCH_LEADER: a lease is for nodes that share a log: set SQLATCH_LOG"
    if leader.startswith(IN_A_CLUSTER) and IN_A_TABLE.fullmatch(log) and "leases" not in given:
        return "SQLATCH_LEASES: is not set; the lease of a leader needs dynamodb:<table>"
    return None
