"""A call repeated where that is safe: with pauses at random, within a deadline."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlatch.errors import IdempotencyConflict, SqlatchError
from sqlatch.failures import UNKNOWN

T = TypeVar("T")

ATTEMPTS_MAX = 10
PAUSE_S_FIRST = 0.1
PAUSE_S_MAX = 4.0
ANSWER_S = 2.0
"""The part of an attempt's time for the network and a cold start, not for execution."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The time limits of a call and of each of its attempts, and the clock."""

    timeout_s: float
    attempt_s: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    @property
    def one_s(self) -> float:
        """The time of one attempt."""
        return min(self.attempt_s, self.timeout_s)

    @property
    def execution_ms(self) -> int:
        """The time of one attempt in which the service may execute."""
        return max(1, int(1000 * max(self.one_s - ANSWER_S, self.one_s / 2)))

    def of(self, call: Callable[[], T], *, repeatable: bool) -> T:
        """Return what `call` returns, repeating it. `repeatable`: doing it twice does no harm."""
        tries = Tries(self, repeatable=repeatable)
        while True:
            try:
                return call()
            except SqlatchError as error:
                pause_s = tries.pause_s_after(error)
                if pause_s is None:
                    raise
            self.sleep(pause_s)

    async def of_awaited(
        self,
        call: Callable[[], Awaitable[T]],
        *,
        repeatable: bool,
        sleep: Callable[[float], Awaitable[None]],
    ) -> T:
        """Return what `call` returns when it is awaited, repeating it by the same rules."""
        tries = Tries(self, repeatable=repeatable)
        while True:
            try:
                return await call()
            except SqlatchError as error:
                pause_s = tries.pause_s_after(error)
                if pause_s is None:
                    raise
            await sleep(pause_s)


class Tries:
    """The attempts of one call: the rules, which neither wait nor send."""

    def __init__(self, attempts: Attempts, *, repeatable: bool) -> None:
        self._attempts = attempts
        self._repeatable = repeatable
        self._ends_at_s = attempts.now() + attempts.timeout_s
        self._lost: SqlatchError | None = None
        self._made = 0

    def pause_s_after(self, error: SqlatchError) -> float | None:
        """Return how long to wait after an attempt that failed, None where the call ends with it.

        An attempt is made only if there is time for all of it. Once an attempt may have been
        applied, the error of every later one says so too.
        """
        attempts = self._attempts
        if self._lost is not None:
            put_in_doubt(error, self._lost)
        elif error.facts.get("outcome") == UNKNOWN:
            self._lost = error
        longest_s = min(PAUSE_S_MAX, PAUSE_S_FIRST * float(2**self._made))
        pause_s = attempts.chance() * longest_s
        self._made += 1
        if (
            self._made == ATTEMPTS_MAX
            or not may_repeat(error, repeatable=self._repeatable)
            or attempts.now() + pause_s + attempts.one_s > self._ends_at_s
        ):
            return None
        return pause_s


def may_repeat(error: SqlatchError, *, repeatable: bool) -> bool:
    """Return whether the same request may succeed now, and repeating it cannot apply it twice."""
    return error.retryable and (repeatable or error.facts.get("outcome") != UNKNOWN)


def put_in_doubt(error: SqlatchError, lost: SqlatchError) -> None:
    """Say in an error that an earlier attempt, which ended with `lost`, may have been applied.

    Only a key that is another request's proves that it was not, and never will be. Any other
    refusal can come before an attempt whose answer was lost has ended.
    """
    if isinstance(error, IdempotencyConflict):
        return
    error.facts["outcome"] = UNKNOWN
    error.message += f" (an attempt before it may have been applied: {lost.code})"
    error.args = (error.message,)
