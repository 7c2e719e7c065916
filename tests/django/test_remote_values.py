"""Values over the network: as they were sent, of Django's types; settings; the log of queries."""

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from tests.django.bank.models import Account, Everything
from tests.django.conftest import Open
from tests.django.test_remote import balances
from tests.sqlatch.losing import losing

pytestmark = pytest.mark.django

EVERYTHING: dict[str, Any] = {
    "amount": Decimal("12345678.0900"),
    "day": datetime.date(1969, 7, 20),
    "moment": datetime.datetime(2026, 3, 29, 1, 30, 0, 999_999, tzinfo=datetime.UTC),
    "time": datetime.time(23, 59, 59, 1),
    "span": datetime.timedelta(days=-3, microseconds=1),
    "mark": uuid.UUID(int=2**127 + 1),
    "document": {"list": [1, 2.5, None, "ü", True], "deep": {"": []}},
    "content": bytes(range(256)),
    "number": -(2**63),
    "real": 0.1 + 0.2,
    "is_true": True,
    "text": "a'b\"c\\ \N{GRINNING FACE} %s ?",
    "nothing": None,
}


@override_settings(USE_TZ=True, TIME_ZONE="America/New_York")
def test_each_kind_of_value_comes_back_as_it_was_sent(remote: Open) -> None:
    pk = Everything.objects.create(**EVERYTHING).pk

    found = Everything.objects.get(pk=pk)

    assert {name: getattr(found, name) for name in EVERYTHING} == EVERYTHING
    assert found.moment.tzinfo is not None
    for name, value in EVERYTHING.items():
        if value is not None and name != "document":
            assert Everything.objects.filter(**{name: value}).count() == 1, name


@override_settings(USE_TZ=True)
def test_raw_rows_have_pythons_types_and_take_them(remote: Open) -> None:
    Everything.objects.create(**EVERYTHING)
    with connection.cursor() as cursor:
        cursor.execute("SELECT day, moment, time, is_true FROM bank_everything")
        row = cursor.fetchone()
        moment = EVERYTHING["moment"].replace(tzinfo=None)
        cursor.execute(
            "SELECT '100%%', %(day)s, %(amount)s FROM bank_everything WHERE moment = %(moment)s",
            {"moment": moment, "day": row[0], "amount": Decimal("1.50")},
        )
        named = cursor.fetchall()
        cursor.executemany(
            "INSERT INTO bank_account (balance, owner) VALUES (%(balance)s, %(owner)s)",
            ({"owner": owner, "balance": 1} for owner in "ab"),
        )

    assert row == (EVERYTHING["day"], moment, EVERYTHING["time"], True)
    assert named == [("100%", "1969-07-20", "1.50")]
    assert balances(remote()) == [("a", 1), ("b", 1)]


def test_an_integer_past_64_bits_is_refused_before_it_is_sent(remote: Open) -> None:
    with pytest.raises(DataError, match="64 bits"), connection.cursor() as cursor:
        cursor.execute("SELECT %s", (2**63,))


MISTAKES = [
    ({"NAME": ""}, "URL"),
    ({"NAME": "/mnt/databases/shop.db"}, "URL"),
    ({"NAME": "https://host/Shop"}, "is not a database name"),
    ({"OPTIONS": {"transaction_mode": "IMMEDIATE"}}, "'transaction_mode'; there are token"),
]


@pytest.mark.parametrize(("settings", "why"), MISTAKES)
def test_settings_that_cannot_be_are_named(
    remote: Open, settings: dict[str, Any], why: str
) -> None:
    wrapper = remote()
    wrapper.settings_dict.update(settings)

    with pytest.raises(ImproperlyConfigured, match=why):
        wrapper.ensure_connection()


def test_the_log_of_queries_asks_nobody(remote: Open) -> None:
    transport = losing(connection.connection)
    with CaptureQueriesContext(connection) as captured:
        Account.objects.filter(owner="it's", balance__gt=1).first()

    assert transport.sent == 1
    assert """= 'it''s'""" in captured.captured_queries[0]["sql"]
