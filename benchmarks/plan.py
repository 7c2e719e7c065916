"""The list of all that is measured, each with the goal it has to reach in the same run."""

from benchmarks import (
    batches,
    catching_up,
    distance,
    elsewhere,
    file_calls,
    flights,
    fresh,
    group_commit,
    many,
    memory,
    new_instances,
    nfs,
    peers,
    replies,
    sizes,
    together,
    walk,
    warm,
)
from benchmarks.experiment import Experiment, Table
from benchmarks.goals import Goal
from benchmarks.peer_tables import tables_of
from benchmarks.subjects import (
    AGED,
    BARE,
    BETWEEN_CALLS,
    DISTRIBUTED,
    EFS,
    LITESTREAM,
    LOCK,
    LOG,
    SQLATCH,
    STOCK,
    TABLE,
)

FLAT = 1.3
SHARED = (
    "Counted by strace, so with what is done beside SQLite: on database, journal and directory, or"
    " on the log and its directories. The copy that an instance has of a log is its own."
)
SAME_CALLS = Goal(SQLATCH, max_ratio=1, against=BARE, is_count=True)
READ_MS_MAX = 230
WRITE_MS_MAX = 260
"""Processor time of a fresh process. A write by botocore took 344 on the machine of these goals."""
READ_MB_MAX = 4
MESSAGES_MIN = 5_000
OPEN_FILES_MAX = 300
"""Lambda allows 1,024: two connections with their journals for each of 64 databases, and room."""


def _together(prefix: str, dynamodb: str, *goals: Goal) -> tuple[Table, ...]:
    title = f"8 processes write to one database, {dynamodb}"
    return (
        Table(
            f"{prefix}_rate",
            f"{title}: acknowledged",
            "writes/s",
            BARE,
            (Goal(SQLATCH, min_ratio=3, against=EFS), Goal(LOG, min_ratio=2, against=SQLATCH),
             *goals),
            "Rows that were acknowledged, by the time from the first start to the last end.",
            plotted=True,
        ),
        Table(f"{prefix}_refused", f"{title}: refused", "writes", SQLATCH,
              (Goal(SQLATCH, exactly=0), Goal(LOG, exactly=0), Goal(TABLE, exactly=0))),
        Table(f"{prefix}_lost", f"{title}: acknowledged and not there", "rows", SQLATCH,
              (Goal(SQLATCH, exactly=0), Goal(LOG, exactly=0), Goal(TABLE, exactly=0))),
        Table(f"{prefix}_worst", f"{title}: the worst writer's p99", "ms", BARE),
    )  # fmt: skip


def _reply(rows_as: str, *doors: str) -> Table:
    return Table(
        f"reply_{rows_as}",
        f"A table of 100,000 x 5 as a reply of {rows_as}, encoded",
        "ms",
        replies.FLOOR,
        tuple(Goal(door, max_ratio=1.7, against=replies.FLOOR) for door in doors),
        plotted=True,
    )


def _sizes(key: str, title: str, unit: str) -> Table:
    smallest = sizes.label(SQLATCH, 1)
    larger = [sizes.label(SQLATCH, size_mb) for size_mb in (100, 2_000)]
    goals = tuple(Goal(name, max_ratio=FLAT, against=smallest) for name in larger)
    return Table(key, title, unit, smallest, goals)


EXPERIMENTS = (
    Experiment("warm reads", warm.reads, (
        Table("warm_read", "Warm point read", "us", BARE, (
            Goal(SQLATCH, max_ratio=5, against=BARE),
            Goal(SQLATCH, max_ratio=1 / 3, against=EFS),
            Goal(LOG, max_ratio=1, against=SQLATCH),
        ), "One row of 10,000 by its key, through `handler.query.lambda_handler` with log line and"
           " metrics. Django does a request: its connection is closed at the end, as both backends"
           " have it; the row without that is for comparison.", plotted=True),
    )),
    Experiment("warm writes", warm.writes, (
        Table("warm_write_own", "Warm one-row write, without its DynamoDB calls", "ms", BARE, (
            Goal(SQLATCH, max_ratio=1.6, against=BARE),
            Goal(SQLATCH, max_ratio=1, against=EFS),
            Goal(SQLATCH, max_ratio=1, against=LOCK),
            Goal(LOG, max_ratio=0.8, against=SQLATCH),
        ), "The time of the call less that of its calls to AWS.", plotted=True),
        Table("warm_write", "Warm one-row write, with its DynamoDB calls", "ms", BETWEEN_CALLS,
              note="DynamoDB is a server on this machine that answers at once."),
    )),
    Experiment("DynamoDB calls", warm.dynamodb_calls, (
        Table("dynamodb_read", "DynamoDB calls of a read", "calls", SQLATCH,
              (Goal(SQLATCH, exactly=0), Goal(LOG, exactly=0), Goal(TABLE, exactly=1),
               Goal(AGED, exactly=0))),
        Table("dynamodb_write", "DynamoDB calls of a write", "calls", SQLATCH,
              (Goal(SQLATCH, exactly=2), Goal(LOG, exactly=2), Goal(TABLE, exactly=1))),
    )),
    Experiment("DynamoDB calls of many rows", batches.dynamodb_calls, (
        Table("dynamodb_many", "DynamoDB calls of many rows", "calls", batches.BATCH,
              (Goal(batches.BATCH, exactly=2), Goal(batches.BULK, exactly=2))),
    )),
    Experiment("calls to the VFS", file_calls.by_vfs, (
        Table("vfs_read", "File calls of SQLite, warm read", "calls", BARE,
              (SAME_CALLS,)),
        Table("vfs_write", "File calls of SQLite, warm one-row write", "calls", BARE,
              (SAME_CALLS,)),
    )),
    Experiment("system calls", file_calls.by_strace, (
        Table("strace_read", "System calls on what instances share, warm read", "calls",
              BARE, (SAME_CALLS, Goal(LOG, exactly=1)), SHARED),
        Table("strace_write", "System calls on what instances share, warm write",
              "calls", BARE, (SAME_CALLS, Goal(LOG, exactly=3)), SHARED),
    )),
    Experiment("NFS operations", nfs.operations, (
        Table("nfs_read", "NFS operations of a warm read", "operations", SQLATCH,
              (Goal(LOG, exactly=1),), "Counted by the kernel of a real NFS client."),
        Table("nfs_after", "NFS operations of a read behind another client's commit",
              "operations", SQLATCH, (Goal(LOG, exactly=2),)),
        Table("nfs_write", "NFS operations of a one-row write", "operations", SQLATCH,
              (Goal(LOG, exactly=3),)),
    )),
    Experiment("stations of a request", walk.by_profile, (
        Table("walk_functions", "Functions that a warm request passes", "functions",
              walk.DIRECT_READ,
              (Goal(walk.DIRECT_READ, at_most=50), Goal(walk.LIBSQL_WRITE, at_most=110)),
              "The project's own, each counted once, log line included."),
        Table("walk_files", "Files that a warm request passes", "files", walk.DIRECT_READ,
              (Goal(walk.DIRECT_READ, at_most=14),)),
        Table("walk_rooms", "Changes of room of a warm request", "changes", walk.DIRECT_READ,
              (Goal(walk.LIBSQL_WRITE, at_most=24),)),
    )),
    Experiment("fresh processes", fresh.first_answers, (
        Table("fresh_read", "Fresh process to the first answer of a read", "ms", BARE, (
            Goal(SQLATCH, max_ratio=2.5, plus=100, against=BARE),
            Goal(SQLATCH, max_ratio=1, against=EFS),
            Goal(SQLATCH, max_ratio=1, against=STOCK),
        ), "From the start of Python; the modules are compiled. An instance on a log has no copy of"
           " the database yet.", plotted=True),
        Table("fresh_read_cpu", "The same, processor time", "ms", BARE,
              (Goal(TABLE, at_most=READ_MS_MAX),)),
        Table("fresh_write", "Fresh process to the first answer of a write", "ms", BARE, (
            Goal(SQLATCH, max_ratio=1, against=EFS),
            Goal(SQLATCH, max_ratio=1, against=STOCK),
        ), "Stock Django takes no lock, so it loads no AWS SDK.", plotted=True),
        Table("fresh_write_cpu", "The same, processor time", "ms", BARE,
              (Goal(TABLE, at_most=WRITE_MS_MAX),)),
    )),
    Experiment("eight writers", together.at_once, _together("together", "DynamoDB at once")),
    Experiment("eight writers, 4 ms", together.with_latency,
               _together("together_4ms", "DynamoDB 4 ms away",
                         Goal(TABLE, min_ratio=1.5, against=SQLATCH))),
    Experiment("calls of 4 ms", distance.by_engine, (
        Table("distance_read", "Warm point read, a call to AWS takes 4 ms", "ms", SQLATCH,
              (Goal(AGED, max_ratio=1.2, against=SQLATCH),),
              f"A read of {TABLE} asks the table what is new, one call; within `max_age_ms` of the"
              " last question it asks nothing.", plotted=True),
        Table("distance_write", "Warm one-row write, a call to AWS takes 4 ms", "ms", SQLATCH,
              (Goal(TABLE, max_ratio=0.7, against=SQLATCH),),
              "A lease is taken and given back, which are two calls; the put of a record is one.",
              plotted=True),
    )),
    Experiment("queue batches", group_commit.by_batch, (
        Table("batch_rate", "Messages of a queue into a log in DynamoDB and S3, a call takes 4 ms",
              "messages/s", group_commit.label(10),
              (Goal(group_commit.label(10_000), at_least=MESSAGES_MIN),),
              "A message is an INSERT of one row, and is applied once. Lambda passes up to 10,000"
              " at a time, of at most 6 MB.", plotted=True),
        Table("batch_calls", "Calls to AWS of such a batch", "calls", group_commit.label(10),
              (Goal(group_commit.label(10_000), at_most=2),),
              "One put; a record of more than 380,000 bytes lies in S3, which is one more."),
    )),
    Experiment("ten rows", batches.tens, (
        Table("tens", "Ten rows", "ms", batches.BARE_SINGLES,
              (Goal(batches.BATCH, max_ratio=1 / 5, against=batches.SINGLES),), plotted=True),
    )),
    Experiment("bulk load", flights.loads, (
        Table("flights", "The flights of 2013, 10,000 rows a request", "s", BARE,
              (Goal(SQLATCH, max_ratio=2, against=BARE),),
              "The floor is executemany, a transaction for each 10,000.", plotted=True),
    )),
    Experiment("large replies", replies.rows, (
        _reply("arrays", replies.DIRECT, replies.HTTP), _reply("objects", replies.DIRECT),
    )),
    Experiment("sizes", sizes.by_size, (
        _sizes("size_read", "Warm point read by the size of the file", "us"),
        _sizes("size_write", "Warm one-row write by the size, without DynamoDB", "ms"),
    )),
    Experiment("many databases", many.by_databases, (
        Table("many_read", "Warm point read of many databases in turn", "us",
              many.label(SQLATCH, 1),
              (Goal(many.label(SQLATCH, 1_000), max_ratio=FLAT, against=many.label(SQLATCH, 1)),),
              f"The floor, too, keeps the {many.OPEN_MAX} used last open."),
        Table("many_files", "Open files with many databases", "files", many.label(SQLATCH, 1),
              (Goal(many.label(SQLATCH, 1_000), at_most=OPEN_FILES_MAX),)),
        Table("many_memory", "Memory with many databases", "MB", many.label(SQLATCH, 1),
              (Goal(many.label(SQLATCH, 1_000), max_ratio=FLAT,
                    against=many.label(SQLATCH, 100)),)),
    )),
    Experiment("1,000 records", catching_up.behind, (
        Table("behind", "The first read behind 1,000 commits of another instance", "ms", LOG,
              (Goal(LOG, at_most=40),)),
    )),
    Experiment("databases elsewhere", elsewhere.one_by_one, (
        Table("elsewhere_read", "Warm point read of what is kept as a log or as objects", "us", LOG,
              note="Without the time in calls to AWS, each subject in a process of its own."
              f" {LITESTREAM} asks for what is new once a second, so a read may be that old; it"
              " acknowledges a write before it is stored, and has one writer, so its writes are not"
              f" measured. {DISTRIBUTED} keeps the whole database in memory and asks S3 at each"
              " read: moto's on this machine, where a call takes some 5 ms, so neither is measured"
              " among eight writers."),
        Table("elsewhere_write", "Warm one-row write of the same", "ms", LOG,
              note=f"What {DISTRIBUTED} stores it stores in its calls, and the log on the disk."),
        Table("elsewhere_read_calls", "Calls to AWS of such a read", "calls", LOG,
              (Goal(LOG, exactly=0),)),
        Table("elsewhere_write_calls", "Calls to AWS of such a write", "calls", LOG,
              (Goal(LOG, exactly=2),)),
    )),
    Experiment("peers in S3", peers.by_size, (*tables_of("write"), *tables_of("read"))),
    Experiment("new instances", new_instances.first_rows, (
        Table("new_row", "First row of a database in a log, in a new instance", "ms",
              new_instances.SMALL, (Goal(new_instances.LARGE, at_most=50),),
              "The process has read another database, but has no copy of this one yet."),
        Table("new_bytes", "What is read for it", "MB", new_instances.SMALL,
              (Goal(new_instances.SPARSE, at_most=READ_MB_MAX),),
              "A whole snapshot would be as large as the database."),
        Table("new_memory", "Memory of such an instance", "MB", new_instances.SMALL, (
            Goal(new_instances.LARGE, max_ratio=FLAT, against=new_instances.SMALL, is_count=True),
            Goal(new_instances.all_rows(new_instances.LARGE), max_ratio=FLAT,
                 against=new_instances.all_rows(new_instances.SMALL), is_count=True),
        )),
    )),
    Experiment("memory", memory.memory, (
        Table("memory_warm", "Memory of a warm instance", "MB", BARE),
        Table("memory_peak", "Peak at the largest reply, beyond a warm instance", "x its bytes",
              memory.DOORS["arrays"],
              tuple(Goal(name, at_most=6) for name in memory.DOORS.values()),
              "Encoded as Lambda's runtime encodes it."),
        Table("memory_reply", "The largest reply", "MB", memory.DOORS["arrays"]),
    )),
)  # fmt: skip
