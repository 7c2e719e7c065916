"""The choices of the settings: how databases are kept, and where the service keeps its own."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from handler.settings import Settings, SettingsError, variable_of
from locking.clock import Clock
from storage import vectors

if TYPE_CHECKING:
    from handler.turn import Turn
    from hrana.files import Files
    from hrana.table import Table
    from storage.engines import Engine
    from storage.follower.engine import Follower


def engine_of(settings: Settings) -> "Engine":
    """Return the engine that keeps the databases: the one place where it is chosen."""
    _choose_vectors(settings)
    if settings.log_directory is not None:
        from storage.log.engine import InLog

        return InLog(settings.log_directory, settings.copies_directory, settings.history_s)
    if settings.log_table is not None:
        from storage.log.cloud import in_table

        return in_table(
            *settings.log_table, settings.copies_directory, settings.history_s,
            is_replicated=settings.leads_elsewhere,
        )  # fmt: skip
    if settings.nodes:
        return follower_of(settings)
    from storage.inplace.engine import InPlace

    return InPlace(settings.home)


def follower_of(settings: Settings) -> "Follower":
    """Return the engine of a node that follows another one."""
    from storage.follower.engine import follower

    return follower(
        settings.nodes, settings.log_token, settings.copies_directory, settings.max_age_ms / 1000
    )


def memory_bytes(environment: Mapping[str, str]) -> int | None:
    """The memory of the function, None where this is no function."""
    megabytes = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return int(megabytes) * 1024 * 1024 if megabytes else None


def _choose_vectors(settings: Settings) -> None:
    """Have the connections of this process know vectors, if that is set."""
    try:
        vectors.choose(wanted=settings.vectors)
    except vectors.NotInThisBuild as error:
        raise SettingsError(f"{variable_of('vectors')}: {error}") from error


def stream_files_of(settings: Settings, clock: Clock) -> "Files":
    """Return the files of streams, in the directory of the databases or the table of their logs."""
    if settings.log_table is None:
        from hrana.directory import StreamFiles

        return StreamFiles(settings.home)
    from hrana.items import StreamItems

    return StreamItems(_table(settings.log_table[0], clock), now=clock.now)


def turn_of(settings: Settings, clock: Clock) -> "Turn":
    """Return the order of databases at the reaper, which remembers it in the same place."""
    from handler.turn import NoteInFile, NoteInTable, Turn

    if settings.log_table is None:
        return Turn(NoteInFile(settings.home))
    return Turn(NoteInTable(_table(settings.log_table[0], clock)))


def _table(name: str, clock: Clock) -> "Table":
    from hrana.table import Table
    from sqlatch.kernel.aws.dynamodb import DynamoDB

    return Table(name, DynamoDB().call, sleep=clock.sleep)
