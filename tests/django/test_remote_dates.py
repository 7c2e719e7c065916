"""Dates and functions in SQLite's own SQL: the same answers as from Django's functions."""

import datetime
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import NotSupportedError, connections, models
from django.db.models import F, Q, functions
from django.test import override_settings
from django.utils import timezone
from hypothesis import Phase, given, settings
from hypothesis import strategies as some

from sqlatch.django.remote import zones
from tests.django.bank.models import Account, Everything
from tests.django.conftest import Open
from tests.django.test_remote_values import EVERYTHING

pytestmark = pytest.mark.django

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Africa/Casablanca", "Pacific/Apia", "America/St_Johns",
]  # fmt: skip
KINDS = ["year", "iso_year", "quarter", "month", "week", "week_day", "iso_week_day", "day",
         "hour", "minute", "second"]  # fmt: skip
MOMENTS = ["year", "quarter", "month", "week", "day", "hour", "minute", "second"]
TIMES = ["hour", "minute", "second"]

Ask = Callable[[], Any]


@pytest.fixture
def both(remote: Open) -> Iterator[Callable[[Ask], tuple[Any, Any]]]:
    """Return the results of an action on Django's own backend, and over the network."""
    over_network = connections["default"]
    stock = connections.create_connection("default")
    connections["default"] = stock
    call_command("migrate", run_syncdb=True, verbosity=0)

    def ask(action: Ask) -> tuple[Any, Any]:
        given = []
        for wrapper in (stock, over_network):
            connections["default"] = wrapper
            given.append(action())
        return given[0], given[1]

    yield ask
    connections["default"] = over_network
    stock.connection.close()


def put(moments: list[datetime.datetime]) -> None:
    Everything.objects.all().delete()
    Everything.objects.bulk_create(
        Everything(**EVERYTHING | {
            "moment": moment.replace(tzinfo=datetime.UTC), "day": moment.date(),
            "time": moment.time(), "number": moment.microsecond * 7919,
            "span": datetime.timedelta(days=moment.day, microseconds=-moment.microsecond),
        })
        for moment in moments
    )  # fmt: skip


def everything_told() -> list[Any]:
    """Each extraction, truncation and cast of each column, row by row."""
    told: dict[str, Any] = {
        "date": functions.Cast("moment", models.DateField()),
        "of_day": functions.TruncTime("moment"),
        "on": functions.TruncDate("moment"),
        "later": models.ExpressionWrapper(F("moment") + F("span"), models.DateTimeField()),
        "before": models.ExpressionWrapper(F("moment") - F("span"), models.DateTimeField()),
        "next": models.ExpressionWrapper(F("day") + F("span"), models.DateField()),
        "last": models.ExpressionWrapper(F("day") - F("span"), models.DateField()),
        "since": models.ExpressionWrapper(
            F("moment") - datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC),
            models.DurationField(),
        ),
        "apart": models.ExpressionWrapper(
            F("time") - datetime.time(12, 0, 0, 5), models.DurationField()
        ),
    }
    for kind in KINDS:
        told[f"moment_{kind}"] = functions.Extract("moment", kind)
        told[f"day_{kind}"] = functions.Extract("day", kind) if kind not in TIMES else F("day")
    for kind in MOMENTS:
        told[f"from_{kind}"] = functions.Trunc("moment", kind)
        if kind in TIMES:
            told[f"time_from_{kind}"] = functions.Trunc("time", kind)
            told[f"time_{kind}"] = functions.Extract("time", kind)
            told[f"of_moment_{kind}"] = functions.Trunc(
                "moment", kind, output_field=models.TimeField()
            )
        else:
            told[f"day_from_{kind}"] = functions.Trunc("day", kind)
    return list(Everything.objects.order_by("pk").values("number", **told))


moments = some.datetimes(datetime.datetime(1851, 1, 1), datetime.datetime(2099, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond if moment.second % 3 else 999_999)
)


@override_settings(USE_TZ=True)
def test_dates_are_told_as_django_tells_them_in_every_zone(
    both: Callable[[Ask], tuple[Any, Any]],
) -> None:
    @given(zone=some.sampled_from(ZONES), some_moments=some.lists(moments, min_size=5, max_size=20))
    @settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
    def check(zone: str, some_moments: list[datetime.datetime]) -> None:
        both(lambda: put(some_moments))
        with timezone.override(ZoneInfo(zone)):
            stock, ours = both(everything_told)
        assert ours == stock

    check()


@override_settings(USE_TZ=True)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns"])
def test_dates_are_looked_up_and_grouped_by_in_a_zone(
    both: Callable[[Ask], tuple[Any, Any]], zone: str
) -> None:
    begin = datetime.datetime(2025, 12, 30, 20)  # noqa: DTZ001
    both(lambda: put([begin + datetime.timedelta(hours=hour) for hour in range(60)]))

    def ask() -> Any:
        of = Everything.objects.filter
        new_year = datetime.date(2026, 1, 1)
        return (
            of(moment__date=new_year).count(),
            of(moment__time__gte=datetime.time(23)).count(),
            of(moment__year=2026, moment__hour__in=[0, 1]).count(),
            of(Q(moment__week=1) & ~Q(moment__week_day=5)).count(),
            list(Everything.objects.dates("day", "month")),
            list(Everything.objects.datetimes("moment", "day", order="DESC")),
            list(
                Everything.objects.annotate(on=functions.TruncDate("moment"))
                .values("on").annotate(n=models.Count("*"), last=models.Max("moment"))
                .order_by("on")
            ),
            Everything.objects.aggregate(day=functions.TruncDate(models.Max("moment"))),
        )  # fmt: skip

    with timezone.override(ZoneInfo(zone)):
        stock, ours = both(ask)

    assert ours == stock


def offset(zone: str, at: datetime.datetime) -> int:
    there = at.replace(tzinfo=datetime.UTC).astimezone(ZoneInfo(zone))
    return (there.utcoffset() or datetime.timedelta()) // datetime.timedelta(seconds=1)


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_a_zone_is_known_to_the_second(zone: str) -> None:
    twelve_hours, second = datetime.timedelta(hours=12), datetime.timedelta(seconds=1)
    pieces = list(zones.pieces(lambda at: datetime.timedelta(seconds=offset(zone, at))))
    changes = [change for change, _seconds in pieces]

    for at in (zones.FIRST + number * twelve_hours for number in range(2 * 365 * 250)):
        assert pieces[bisect_right(changes, at) - 1][1] == offset(zone, at), at
    with closing(sqlite3.connect(":memory:")) as connection:
        for change in changes:
            for at in (change - second, change, change + second):
                sql = zones.converted("?", zone, "UTC")
                ((said,),) = connection.execute(f"SELECT {sql}", (str(at),)).fetchall()

                assert said == str(at + datetime.timedelta(seconds=offset(zone, at)))


def test_from_one_zone_into_another() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for hour in range(24 * 400):
            at = datetime.datetime(2026, 1, 1) + datetime.timedelta(hours=hour)  # noqa: DTZ001
            sql = zones.converted("?", "America/New_York", "Europe/Berlin")
            ((said,),) = connection.execute(f"SELECT {sql}", (str(at),)).fetchall()

            aware = at.replace(tzinfo=ZoneInfo("Europe/Berlin"))
            local = aware.astimezone(ZoneInfo("America/New_York")).replace(tzinfo=None)
            assert said == str(local), at


FUNCTIONS: dict[str, Any] = {
    "stddev": models.StdDev("balance"),
    "stddev_sample": models.StdDev("balance", sample=True),
    "variance": models.Variance("balance", filter=Q(balance__gt=2)),
    "variance_sample": models.Variance("balance", sample=True),
    "of_none": models.StdDev("balance", filter=Q(balance__gt=99)),
}
BITS = ("BitAnd", "BitOr", "BitXor")
"""Of Django 6.1 on."""

FUNCTIONS |= {name: getattr(models, name)("balance") for name in BITS if hasattr(models, name)}
TEXTS: dict[str, Any] = {
    "lpad": functions.LPad("owner", 7, models.Value("xyz")),
    "lpad_cut": functions.LPad("owner", 2, models.Value("x")),
    "rpad": functions.RPad("owner", F("balance"), models.Value("é ")),
    "repeat": functions.Repeat("owner", F("balance")),
    "reverse": functions.Reverse("owner"),
    "cot": functions.Round(functions.Cot("balance"), 9),
    "xor": F("balance").bitxor(5),
    "sign": functions.Sign("balance"),
    "ceil": functions.Ceil(F("balance") / 3.0),
}


def test_functions_that_sqlite_lacks_are_said_in_those_it_has(
    both: Callable[[Ask], tuple[Any, Any]],
) -> None:
    def fill() -> None:
        owners = ["", "a", "häuser", "'%s'"]
        Account.objects.bulk_create(
            Account(owner=owner, balance=3 * at + 1) for at, owner in enumerate(owners)
        )

    both(fill)

    stock, ours = both(lambda: list(Account.objects.order_by("pk").values("owner", **TEXTS)))
    assert ours == stock
    stock, ours = both(lambda: Account.objects.aggregate(**FUNCTIONS))
    assert ours == pytest.approx(stock)


def test_chance_is_no_function_of_djangos(remote: Open) -> None:
    Account.objects.bulk_create(Account(owner=str(at)) for at in range(200))

    drawn = list(Account.objects.annotate(r=functions.Random()).values_list("r", flat=True))

    assert all(0 <= one < 1 for one in drawn)
    assert len(set(drawn)) == 200
    assert len(Account.objects.order_by("?")) == 200


REFUSED: list[Callable[[], Any]] = [
    lambda: Account.objects.filter(owner__regex="^a"),
    lambda: Account.objects.filter(owner__iregex="^a"),
    lambda: Account.objects.annotate(h=functions.MD5("owner")),
    lambda: Account.objects.annotate(h=functions.SHA256("owner")),
]


@pytest.mark.parametrize("query", REFUSED)
def test_what_cannot_be_said_in_sqlites_functions_is_refused(
    remote: Open, query: Callable[[], Any]
) -> None:
    with pytest.raises(NotSupportedError, match="the service has no"):
        list(query())
