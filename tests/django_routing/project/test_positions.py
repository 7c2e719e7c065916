"""Positions in place of a lag: a cookie carries them; where there are none, the lag counts.

On nodes of the service they are tested by tests/examples/test_two_continents.py.
"""

import pytest
from django.core.signing import get_cookie_signer
from django.db import router
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from sqlatch.django import lag
from sqlatch.django.middleware import (
    POSITION_COOKIE,
    POSITION_S,
    SALT,
    ReplicationLagMiddleware,
)
from tests.django_routing.project.shop.models import Customer

POSITION, LATER = "0000000000000007", "0000000000000010"


@pytest.fixture(autouse=True)
def _positions():
    with override_settings(REPLICATION_POSITIONS=True):
        yield


def signed(value):
    return get_cookie_signer(salt=POSITION_COOKIE + SALT).sign(value)


def running():
    session = lag.current()
    assert session is not None
    return session


def answered(view, cookie=None):
    request = RequestFactory().get("/")
    if cookie is not None:
        request.COOKIES[POSITION_COOKIE] = cookie
    return ReplicationLagMiddleware(view)(request)


def test_a_session_whose_position_is_known_reads_from_a_follower():
    with lag.session(position=POSITION) as session:
        assert router.db_for_read(Customer).startswith("follower")
        assert session.position == POSITION
        with lag.session() as inner:
            assert inner.position == POSITION


def test_a_write_without_a_position_counts_the_lag():
    """A file of SQLite has none."""
    with lag.session() as session:
        Customer.objects.create(name="Ada")

        assert session.position is None
        assert router.db_for_read(Customer) == "default"


@pytest.mark.parametrize(
    ("cookie", "position"),
    [(signed(POSITION), POSITION), (POSITION, None), (signed(POSITION)[:-1], None), (None, None)],
)
def test_the_cookie_is_read_if_it_is_signed(cookie, position):
    seen = []

    def view(request):
        seen.append(running().position)
        return HttpResponse()

    assert POSITION_COOKIE not in answered(view, cookie).cookies
    assert seen == [position]


def test_a_session_that_wrote_keeps_the_position_in_the_cookie():
    def view(request):
        session = running()
        session.wrote, session.position = True, LATER
        return HttpResponse()

    answer = answered(view, signed(POSITION))

    cookie = answer.cookies[POSITION_COOKIE]
    assert cookie.value.split(":")[0] == LATER
    assert cookie["max-age"] == POSITION_S
    assert list(answer.cookies) == [POSITION_COOKIE]
    assert answer["Vary"] == "Cookie"


def test_without_the_setting_no_position_is_read():
    with override_settings(REPLICATION_POSITIONS=False):
        answer = answered(lambda _request: HttpResponse(str(running().position)), signed(POSITION))

    assert answer.content == b"None"
