"""The schedule: a local server sends the reaper's event to a worker, as EventBridge does on AWS."""

import threading
from collections.abc import Callable

from sqlatch.server.gateway import Answer, Event

EVENT: Event = {"source": "aws.events", "detail-type": "Scheduled Event"}

END_S = 5
"""How long the end of the schedule waits for a run of the reaper."""


class Schedule:
    """A thread that hands the event to `answer` once in `every_s`, one run after another."""

    def __init__(self, answer: Callable[[Event], Answer], every_s: float) -> None:
        self._answer = answer
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedule", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Send no more events; wait for the run that goes on, but not for long."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(END_S)

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self._answer(EVENT)
