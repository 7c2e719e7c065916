"""A session that wrote reads from the leader; one that did not reads from a follower."""

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from sqlatch.django.middleware import ReplicationLagMiddleware
from tests.django_routing.project.shop.models import Customer

FOLLOWERS = {"follower1", "follower2"}


def test_a_session_that_did_not_write_reads_from_a_follower(client):
    Customer.objects.create(name="unseen")

    answer = client.get("/show").json()

    assert answer["db"] in FOLLOWERS
    assert answer["names"] == []


@pytest.mark.parametrize("path", ["/add", "/add_atomic", "/add_raw", "/add_and_fail", "/aadd"])
def test_a_session_that_wrote_reads_its_write_until_the_lag_is_over(client, clock, path):
    client.post(path, {"name": "Ada"})

    clock.forward(4.9)
    within = client.get("/show").json()
    clock.forward(0.2)
    after = client.get("/show").json()

    assert within == {"db": "default", "names": ["Ada"]}
    assert after["db"] in FOLLOWERS


def test_the_lag_counts_from_the_end_of_a_request(clock):
    def write_and_work_on(_request):
        Customer.objects.create(name="Ada")
        clock.forward(60)
        return HttpResponse()

    response = ReplicationLagMiddleware(write_and_work_on)(RequestFactory().post("/"))

    cookie = RequestFactory().get("/")
    cookie.COOKIES["sqlatch_written"] = response.cookies["sqlatch_written"].value
    written_at = cookie.get_signed_cookie("sqlatch_written", salt="sqlatch.django.middleware")
    assert int(written_at) / 1000 == clock()


def test_the_write_of_one_session_sends_no_other_to_the_leader(client):
    client.post("/add", {"name": "Ada"})

    assert Client().get("/show").json()["db"] in FOLLOWERS


def test_a_read_at_the_leader_does_not_count_as_a_write(client, clock):
    client.post("/add", {"name": "Ada"})
    clock.forward(3)
    client.get("/show")
    clock.forward(3)

    assert client.get("/show").json()["db"] in FOLLOWERS


def test_inside_atomic_the_leader_is_read(client):
    assert client.post("/add_atomic", {"name": "Ada"}).json() == {"db": "default"}


def test_a_cookie_that_nobody_signed_says_nothing(client):
    client.cookies["sqlatch_written"] = "99999999999999"

    assert client.get("/show").json()["db"] in FOLLOWERS


def test_what_is_streamed_after_the_view_is_read_from_the_leader(client):
    assert list(client.get("/stream")) == [b"default", b"default"]


def test_the_cookie_lasts_as_long_as_the_lag_and_is_out_of_reach_of_scripts(client):
    answer = client.post("/add", {"name": "Ada"})

    cookie = answer.cookies["sqlatch_written"]
    assert (cookie["max-age"], cookie["httponly"], cookie["samesite"]) == (5, True, "Lax")
    assert answer["Vary"] == "Cookie"


def test_a_request_that_only_reads_sets_no_cookie(client):
    assert "sqlatch_written" not in client.get("/show").cookies
