"""Code that runs outside a request: commands, workers, threads, tasks."""

import asyncio
import contextvars
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, router
from django.test import override_settings

from sqlatch.django import lag
from tests.django_routing.project.shop.models import Customer

FOLLOWERS = {"follower1", "follower2"}


def where():
    return router.db_for_read(Customer)


def in_thread(function):
    answers = []

    def run():
        answers.append(function())
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]


def test_outside_every_session_the_leader_is_read():
    assert where() == "default"
    assert in_thread(where) == "default"


def test_a_session_of_ones_own_reads_from_followers_until_it_writes():
    with lag.session():
        before = where()
        Customer.objects.create(name="Ada")
        after = where()

    assert before in FOLLOWERS
    assert after == "default"
    assert where() == "default"


def test_who_bears_the_key_reads_what_was_written_under_it(clock):
    with lag.session("customer:1"):
        Customer.objects.create(name="Ada")

    with lag.session("customer:1"):
        same = where()
    with lag.session("customer:2"):
        other = where()
    clock.forward(6)
    with lag.session("customer:1"):
        later = where()

    assert same == "default"
    assert other in FOLLOWERS
    assert later in FOLLOWERS


def test_a_key_is_marked_before_the_session_ends():
    """A worker that is killed after its commit leaves the mark behind."""
    with lag.session("customer:1"):
        Customer.objects.create(name="Ada")

        def of_another():
            with lag.session("customer:1"):
                return where()

        assert in_thread(of_another) == "default"


def test_a_function_is_decorated_once_and_called_by_many_threads():
    barrier = threading.Barrier(4, timeout=30)

    @lag.session()
    def task(number):
        barrier.wait()
        if number == 0:
            Customer.objects.create(name="Ada")
        barrier.wait()
        answer = where()
        connections.close_all()
        return answer

    answers = {}
    threads = [threading.Thread(target=lambda n=n: answers.update({n: task(n)})) for n in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert answers.pop(0) == "default"
    assert len(answers) == 3
    assert set(answers.values()) <= FOLLOWERS


def test_a_coroutine_function_is_decorated():
    @lag.session("task:1")
    async def task():
        before = await sync_to_async(where)()
        await Customer.objects.acreate(name="Ada")
        return before, await sync_to_async(where)()

    before, after = asyncio.run(task())

    assert before in FOLLOWERS
    assert after == "default"
    with lag.session("task:1"):
        assert where() == "default"


def test_a_generator_is_refused():
    with pytest.raises(TypeError, match="open the session inside it"):

        @lag.session()
        def rows():
            yield 1


def test_sessions_of_tasks_that_run_together_are_apart():
    async def task(number, wrote):
        async with lag.session():
            if number == 0:
                await Customer.objects.acreate(name="Ada")
                wrote.set()
            await wrote.wait()
            return await sync_to_async(where)()

    async def together():
        wrote = asyncio.Event()
        return await asyncio.gather(*[task(number, wrote) for number in range(4)])

    writer, *others = asyncio.run(together())

    assert writer == "default"
    assert set(others) <= FOLLOWERS


def test_what_a_child_task_writes_its_session_reads():
    async def work():
        async with lag.session():
            await asyncio.create_task(Customer.objects.acreate(name="Ada"))
            return await sync_to_async(where)()

    assert asyncio.run(work()) == "default"


def test_a_thread_takes_the_session_along_in_a_copied_context():
    with lag.session():
        context = contextvars.copy_context()
        in_thread(lambda: context.run(Customer.objects.create, name="Ada"))

        assert where() == "default"


def test_a_write_in_an_inner_session_counts_for_the_outer():
    with lag.session():
        with lag.session("inner"):
            Customer.objects.create(name="Ada")

        assert where() == "default"


def test_the_leader_can_be_asked_for():
    with lag.session():
        with lag.leader():
            inside = where()

        assert inside == "default"
        assert where() in FOLLOWERS


def test_a_lag_of_nothing_reads_from_followers_at_once():
    with override_settings(REPLICATION_LAG=0), lag.session():
        Customer.objects.create(name="Ada")

        assert where() in FOLLOWERS
