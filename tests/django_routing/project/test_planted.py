"""The negative controls: what a promise stands on is taken out, and its test complains."""

import pytest
from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore

from sqlatch.django import lag
from sqlatch.django.sessions import SessionStore
from tests.django_routing.project import test_distributed, test_logins, test_session
from tests.django_routing.project.shop.models import Customer


def test_a_key_that_is_looked_for_at_a_follower_is_seen(monkeypatch):
    monkeypatch.setattr(SessionStore, "exists", CachedStore.exists)

    with pytest.raises(AssertionError):
        test_logins.test_a_key_that_is_taken_is_seen_before_it_is_replicated()


def test_a_lag_that_is_not_counted_anew_at_the_end_of_a_session_is_seen(clock, monkeypatch):
    monkeypatch.setattr(lag.Session, "close", lambda _session: None)

    with pytest.raises(Customer.DoesNotExist):
        test_distributed.test_a_session_that_ends_after_its_transaction_counts_from_its_end(clock)
    with pytest.raises(AssertionError):
        test_session.test_the_lag_counts_from_the_end_of_a_request(clock)
