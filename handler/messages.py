"""A batch of queue messages: for each database one lease and one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from events.request import QueryEvent
from events.sqs import Message
from handler.job import job_of
from handler.record import Record
from handler.service import Service
from sqlatch.kernel.errors import BadEvent, ReadOnly, SqlatchError
from sqlexec.statement import Job, Outcome

ASKING = ("read_only", "page", "at", "link")
"""Fields of requests that only read."""


@dataclass(frozen=True, slots=True)
class _Task:
    message: Message
    database: str
    job: Job


def answer_messages(
    service: Service, messages: Sequence[Message], record: Record, *, ends_at_s: float
) -> list[str]:
    """Apply the messages; the ids of those that failed, or that stand behind one in their group."""
    failed: set[str] = set()
    failed_groups: set[str] = set()
    runs = _runs(_tasks(service, messages, failed, record))
    for number, run in enumerate(runs):
        now_s = service.clock.now()
        deadline_s = now_s + (ends_at_s - now_s) / (len(runs) - number)
        ready = [task for task in run if task.message.group not in failed_groups]
        outcomes = _apply(service, ready, record, deadline_s) if ready else []
        service.note_work(record)
        applied = {
            task.message.message_id
            for task, outcome in zip(ready, outcomes, strict=False)
            if isinstance(outcome, Outcome)
        }
        for task in run:
            if task.message.message_id not in applied:
                failed.add(task.message.message_id)
                failed_groups |= {task.message.group} - {None}  # type: ignore[arg-type]
    if len(record.databases) > 1:
        record.database = None
    record.messages = len(messages)
    record.messages_failed = len(failed)
    return [message.message_id for message in messages if message.message_id in failed]


def _tasks(
    service: Service, messages: Sequence[Message], failed: set[str], record: Record
) -> list[_Task]:
    """The messages that can be run; behind one that cannot, none of its group."""
    tasks = []
    stopped_groups = set()
    for message in messages:
        request = _accepted(service, message)
        if isinstance(request, SqlatchError) or message.group in stopped_groups:
            failed.add(message.message_id)
            if message.group is not None:
                stopped_groups.add(message.group)
            if isinstance(request, SqlatchError):
                record.note_each(request, _database_of(message))
            continue
        job = job_of(request, service.settings, message_key=message.key, group=message.group)
        tasks.append(_Task(message, request.database, job))
    return tasks


def _database_of(message: Message) -> str | None:
    return message.request.database if isinstance(message.request, QueryEvent) else None


def _accepted(service: Service, message: Message) -> QueryEvent | SqlatchError:
    if not isinstance(message.request, QueryEvent):
        return message.request
    if service.settings.read_only:
        return ReadOnly("only reads are allowed here")
    for field in ASKING:
        value = getattr(message.request, field)
        if value is not None and value is not False:
            return BadEvent("a queue cannot ask: nobody reads the answer", field=field)
    if message.request.at_least is not None:
        return BadEvent(
            "a message of a queue is applied to the newest state: leave at_least out",
            field="at_least",
        )
    return message.request


def _runs(tasks: Sequence[_Task]) -> list[list[_Task]]:
    """The tasks by database; where a group spans several, only as far as its order allows."""
    databases_of: dict[str, set[str]] = {}
    for task in tasks:
        if task.message.group is not None:
            databases_of.setdefault(task.message.group, set()).add(task.database)
    if any(len(databases) > 1 for databases in databases_of.values()):
        return [list(run) for _database, run in groupby(tasks, key=lambda task: task.database)]
    by_database: dict[str, list[_Task]] = {}
    for task in tasks:
        by_database.setdefault(task.database, []).append(task)
    return list(by_database.values())


def _apply(
    service: Service, tasks: Sequence[_Task], record: Record, deadline_s: float
) -> list[Outcome | SqlatchError | None]:
    database = tasks[0].database
    record.database = database
    if database not in record.databases:
        record.databases.append(database)
    record.kind = "write"
    record.statements += sum(len(task.job.statements) for task in tasks)
    jobs = [task.job for task in tasks]

    def write() -> list[Outcome | SqlatchError | None]:
        with service.writing(database, record, deadline_s) as grant:
            return service.databases.get(database).write_each(jobs, grant)

    try:
        outcomes = service.recovering(database, record, deadline_s, write)
    except SqlatchError as error:
        record.note_each(error, database)
        return []
    for outcome in outcomes:
        if isinstance(outcome, SqlatchError):
            record.note_each(outcome, database)
    return outcomes
