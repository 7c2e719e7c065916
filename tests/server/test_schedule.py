"""The schedule: its event comes again and again, until it is ended."""

import threading
from typing import Any

from handler.query import Door, door_of
from sqlatch.server.schedule import Schedule


def test_the_event_of_the_reaper_comes_again_until_the_schedule_is_ended() -> None:
    events: list[dict[str, Any]] = []
    came = threading.Semaphore(0)

    def answer(event: dict[str, Any]) -> dict[str, Any]:
        events.append(event)
        came.release()
        return {}

    schedule = Schedule(answer, 0.001)
    schedule.start()
    for _ in range(3):
        came.acquire()
    schedule.end()

    assert {door_of(event) for event in events} == {Door.SCHEDULE}
    assert "schedule" not in {thread.name for thread in threading.enumerate()}


def test_one_that_was_not_started_can_be_ended() -> None:
    Schedule(lambda _event: {}, 0.001).end()
