"""Addresses that do not go together are refused before anything is served."""

import pytest

from handler.settings import Settings, SettingsError

LOG = {"SQLATCH_LOG": "directory:/mnt/logs"}
TABLE = {"SQLATCH_LOG": "dynamodb:logs,s3://bucket"}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SQLATCH_DATABASES": "/mnt"}, "SQLATCH_LEADER: a lease is for nodes that share a log"),
        (TABLE, "SQLATCH_LEASES: is not set; the lease of a leader needs dynamodb:<table>"),
        ({"SQLATCH_LOG": "https://a"}, "SQLATCH_LEADER: the node that SQLATCH_LOG names has one"),
        (LOG | {"SQLATCH_NODE": "a"}, "SQLATCH_NODE: must be https://<node>, but it is 'a'"),
        (LOG | {"SQLATCH_LEADER": "a"}, "SQLATCH_LEADER: must be https://<node> or lease:<cluste"),
    ],
)
def test_a_lease_that_does_not_fit_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({"SQLATCH_LEADER": "lease:nodes", **environment})
    assert str(refused.value).startswith(message)


def test_the_cluster_and_the_urls_are_read_without_a_slash_at_their_end() -> None:
    one = Settings.from_environment(LOG | {"SQLATCH_LEADER": "lease:nodes"})
    other = Settings.from_environment(
        LOG | {"SQLATCH_LEADER": "https://a/", "SQLATCH_NODE": "https://a"}
    )

    assert (one.cluster, other.cluster) == ("nodes", None)
    assert other.leader == other.node == "https://a"
