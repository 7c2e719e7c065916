"""The promises of sqlatch, how each is tested, and which counts of the campaign say so."""

# ruff: noqa: E501 (prose)

from collections.abc import Iterator
from dataclasses import dataclass

ALL_ONCE = ("once-*",)
SENT_AGAIN = ("once-sent-again-*",)
CONFLICTS = ("conflicts-*",)
PROCESSES = ("processes",)
ALONE = ("processes_lease_alone",)
IN_A_LOG = ("processes_in_a_log",)
HISTORY = ("history-of-a-log", "history-of-a-log-in-a-directory")
HISTORY_IN_A_TABLE = ("history-of-a-log-in-a-table",)
TABLE = ("log_table",)
YEAR = ("simulated-year-*",)
FOLLOWERS = ("followers-*",)
LEADERS = ("leaders", "leaders_in_table")
LOG_CRASHES = ("log-crash-*",)
LOG_ERRORS = ("log-i-o-errors-*",)
NFS_KILLED = ("nfs_killed_writer",)
NFS_FROZEN = ("nfs_frozen_*",)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the page: one count of some records, taken together by their sum or maximum."""

    label: str
    records: tuple[str, ...]
    count: str
    largest: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Promise:
    """A sentence a caller may rely on; how it is tested; where; and what was counted."""

    title: str
    how: str
    tests: tuple[str, ...]
    figures: tuple[Figure, ...] = ()


def _of_a_history(records: tuple[str, ...]) -> Iterator[Figure]:
    yield Figure("requests", records, "requests")
    yield Figure("writes acknowledged", records, "acknowledged")
    yield Figure("of them replaced or restored a whole database", records, "replaced")
    yield Figure("reads", records, "reads")
    yield Figure("reads of the past", records, "past")
    yield Figure("of a moment that was not there or not kept", records, "past_refused")
    yield Figure("refused", records, "refusals")
    yield Figure("records replayed", records, "records")
    yield Figure("of them removed by the reaper", records, "removed")
    yield Figure("answers of another state than that of their position", records, "another_state")
    yield Figure("answers of another moment than the one asked for", records, "another_moment")
    yield Figure("positions against real time", records, "against_time")
    yield Figure("acknowledged and lost", records, "lost")
    yield Figure("in the log twice", records, "twice")
    yield Figure("refused and in the log", records, "refused_and_there")


PROMISES = (
    Promise(
        "A crash at any instant leaves the state before or the state after",
        "Each request is stopped at its first file operation, then at its second, and so on to its"
        " end, on a simulated disk that remembers what was synced. What was not is kept, dropped,"
        " torn in mid page, or dropped in part; each directory that this leaves is recovered through"
        " the service, by a reader, a writer or the reaper in turn. It must be whole, its content"
        " exactly the one before or the one after, and the one after if that was acknowledged. The"
        " requests: one row, a batch, parameter sets, DDL, VACUUM, an idempotent write, a queue's"
        " batch with a failing message, the first creation, databases copied in from plain SQLite,"
        " and recovery itself. Processes that are really killed leave what the simulation says.",
        ("tests/faults/test_crashes.py", "tests/faults/test_killed.py"),
        (
            Figure("crash points in requests", ("crash-[!d]*", "crash-ddl"), "crash_points"),
            Figure("crash points in recovery", ("crash-during-recovery-*",), "crash_points"),
            Figure(
                "with those of repeated requests, below", ("crash-*", *ALL_ONCE), "crash_points"
            ),
            Figure("directories recovered and compared", ("crash-*",), "directories"),
            Figure("of them with a hot journal", ("crash-*",), "hot_journals"),
            Figure("state before", ("crash-*",), "state_before"),
            Figure("state after", ("crash-*",), "state_after"),
            Figure("processes really killed", ("processes-really-killed-*",), "kills"),
        ),
    ),
    Promise(
        "A file system that fails is said to have failed, and loses nothing",
        "Each system call of a request fails in turn, once or from then on: EIO, ESTALE, ENOSPC,"
        " EDQUOT, a failing sync, a transfer cut in half, a file that seems to end. The request is"
        " refused with STORAGE_ERROR or DATABASE_CORRUPT, or done all the same; what is acknowledged"
        " is there, what is refused is not, no lease is left, and the next request works once the"
        " fault is gone. Only an error of the commit itself may leave it open, and says so"
        ' (`"outcome": "unknown"`).',
        ("tests/faults/test_io_errors.py",),
        (
            Figure("system calls that failed", ("i-o-errors-*",), "faults"),
            Figure("answered STORAGE_ERROR", ("i-o-errors-*",), "storage_error"),
            Figure("answered DATABASE_CORRUPT", ("i-o-errors-*",), "database_corrupt"),
            Figure("done all the same", ("i-o-errors-*",), "answered_all_the_same"),
            Figure("of the refused, outcome unknown", ("i-o-errors-*",), "outcome_unknown"),
        ),
    ),
    Promise(
        "A file that was moved, removed or replaced is not worked on",
        "The file of a database goes, with its journal or without, or another takes its place, while"
        " all, some or none of an instance's connections are open on it. Then each door reads,"
        " writes, is refused or tends it, at once and a second later, where databases are made on"
        " a write and where never. What is acknowledged is in the file of that name, what was moved"
        " away is not written to, and nothing but an acknowledged write makes a file.",
        ("tests/faults/test_moved.py",),
        (
            Figure("files moved, removed and replaced", ("a-file-moved-*",), "cases"),
            Figure("requests acknowledged", ("a-file-moved-*",), "acknowledged"),
            Figure("requests refused", ("a-file-moved-*",), "refused"),
        ),
    ),
    Promise(
        "An acknowledged write is there, a refused one is not, and nobody is locked out",
        "Eight writers and four readers, each a process, on twelve banks over a DynamoDB server that"
        " answers one request at a time; killed and stopped past their lease at random moments."
        " Afterwards every acknowledged transfer must be in the books once, every refused one not,"
        " every read of one moment and no older than what was acknowledged before it.",
        ("tests/faults/test_processes.py",),
        (
            Figure("kill -9", PROCESSES, "kills"),
            Figure("of them holding the lease", PROCESSES, "killed_with_the_lease"),
            Figure("of them in mid commit", PROCESSES, "killed_in_mid_commit"),
            Figure("stops past the lease", PROCESSES, "stalls"),
            Figure("writes acknowledged", PROCESSES, "acknowledged"),
            Figure("acknowledged and lost", PROCESSES, "lost"),
            Figure("applied twice", PROCESSES, "doubled"),
            Figure("refused and kept", PROCESSES, "refused_and_kept"),
            Figure("reads", PROCESSES, "reads"),
            Figure("torn reads", PROCESSES, "torn_reads"),
            Figure("stale reads", PROCESSES, "stale_reads"),
            Figure("slowest read", PROCESSES, "slowest_read_s", largest=True, unit=" s"),
            Figure(
                "slowest read behind a killed writer",
                PROCESSES,
                "slowest_read_behind_a_killed_writer_s",
                largest=True,
                unit=" s",
            ),
        ),
    ),
    Promise(
        "The lease alone keeps writers apart",
        "The same writers with SQLite's file locks switched off, killed. Stalled as well, there is"
        " one window that the lease leaves to SQLite's locks, between the last check and the end of"
        " the commit: with the locks on nothing is lost there either; with them off it is, which the"
        " last rows show.",
        ("tests/faults/test_processes.py",),
        (
            Figure("file locks off: kill -9", ALONE, "kills"),
            Figure("file locks off: of them holding the lease", ALONE, "killed_with_the_lease"),
            Figure("file locks off: writes acknowledged", ALONE, "acknowledged"),
            Figure("file locks off: acknowledged and lost", ALONE, "lost"),
            Figure(
                "stalled before the last check, locks off: lost",
                ("stall_before_the_check_lease_alone",),
                "lost",
            ),
            Figure("stalled after it, locks on: lost", ("stall_after_the_check",), "lost"),
            Figure(
                "control, stalled after it, locks off: lost",
                ("stall_after_the_check_lease_alone",),
                "lost",
            ),
            Figure(
                "control, stalled before it, check taken out, locks off: lost",
                ("stall_before_the_check_without_it",),
                "lost",
            ),
            Figure(
                "control, neither lease nor locks: acknowledged and lost",
                ("processes_without_lease_and_locks",),
                "lost",
            ),
        ),
    ),
    Promise(
        "With a leader, no write is lost and none is out of turn",
        "Three nodes that share a log, in a directory and in DynamoDB and S3, four writers at all of"
        " them, and each write with a key. The leader by lease (1.5 s) is killed with all its"
        " processes, frozen until another has taken over and thawed, cut off from the table of the"
        " leases (and from a log in DynamoDB and S3), and moved by hand. At the end each"
        " row that was acknowledged is there once, none that was refused is there, and in each"
        " database the terms of the leaders never go down from one position to the next. Each"
        " interleaving of a late commit with its successor is a test by itself, on clocks an hour"
        " apart.",
        ("tests/faults/test_leaders.py", "tests/handler/test_late_commits.py"),
        (
            Figure("writes acknowledged", LEADERS, "acknowledged"),
            Figure("acknowledged and lost", LEADERS, "lost"),
            Figure("there twice", LEADERS, "twice"),
            Figure("refused and there", LEADERS, "refused_and_there"),
            Figure("writes refused", LEADERS, "refused"),
            Figure("writes in doubt", LEADERS, "unknown"),
            Figure("leaders killed", LEADERS, "kills"),
            Figure("frozen and thawed", LEADERS, "freezes"),
            Figure("cut off", LEADERS, "cuts"),
            Figure("moved", LEADERS, "moves"),
            Figure("terms in which something was written", LEADERS, "terms"),
            Figure("terms out of order", LEADERS, "terms_out_of_order"),
            Figure("positions of two terms", LEADERS, "two_terms_at_a_position"),
            Figure("late commits refused", LEADERS, "late_refused"),
            Figure(
                "longest time until another led",
                LEADERS,
                "takeover_s_max",
                largest=True,
                unit=" s",
            ),
            Figure(
                "longest time until a write was acknowledged again",
                LEADERS,
                "written_s_max",
                largest=True,
                unit=" s",
            ),
        ),
    ),
    Promise(
        "In a log, a late writer changes nothing, even if nobody checks the lease",
        "Eight processes append to one log in a directory. They are killed, stopped, killed half way"
        " through an append and behind it, and stalled past a lease of 60 ms that nobody checks. The"
        " same protocol is searched in every order of its steps, for two writers, a sealer and a"
        " reader over three commits. And each system call of a log fails, does half or loses its"
        " answer, once or from then on, or is the last before a crash; then the same process and"
        " another one go on.",
        (
            "tests/faults/test_log_processes.py",
            "tests/faults/test_log_model.py",
            "tests/faults/test_log_calls.py",
        ),
        (
            Figure("commits acknowledged", ("log_processes",), "acknowledged"),
            Figure("acknowledged and lost", ("log_processes",), "lost"),
            Figure("in the log twice", ("log_processes",), "twice"),
            Figure("refused and in the log", ("log_processes",), "refused_and_there"),
            Figure(
                "made on another state than that before", ("log_processes",), "on_another_state"
            ),
            Figure("reads", ("log_processes",), "reads"),
            Figure("stale reads", ("log_processes",), "stale_reads"),
            Figure("kill -9", ("log_processes",), "kills"),
            Figure("stalls", ("log_processes",), "stops"),
            Figure("leases taken over", ("log_processes",), "take_overs"),
            Figure("appends in doubt", ("log_processes",), "in_doubt"),
            Figure("states of the model", ("log_model_*",), "states"),
            Figure("crashes at a call", ("log-calls-*",), "crashes"),
            Figure("failing calls", ("log-calls-*",), "failing_calls"),
        ),
    ),
    Promise(
        "In a log nothing is lost though nobody looks at the time of a lease",
        "The same writers and readers on databases in a log, without the check before the commit:"
        " what a stalled writer appends is not in a log that was sealed meanwhile.",
        ("tests/faults/test_processes.py",),
        (
            Figure("in a log: kill -9", IN_A_LOG, "kills"),
            Figure("in a log: of them holding the lease", IN_A_LOG, "killed_with_the_lease"),
            Figure("in a log: stops past the lease", IN_A_LOG, "stalls"),
            Figure("in a log: writes acknowledged", IN_A_LOG, "acknowledged"),
            Figure("in a log: acknowledged and lost", IN_A_LOG, "lost"),
            Figure("in a log: applied twice", IN_A_LOG, "doubled"),
            Figure("in a log: reads", IN_A_LOG, "reads"),
            Figure("in a log: torn reads", IN_A_LOG, "torn_reads"),
            Figure("in a log: stale reads", IN_A_LOG, "stale_reads"),
            Figure(
                "in a log: stalled behind the last check: lost",
                ("stall_after_the_check_in_a_log",),
                "lost",
            ),
        ),
    ),
    Promise(
        "In a log too, a crash leaves the state before or after, and a failing call loses nothing",
        "The same requests, and a takeover, half-done seals, new copies, copies that are behind and"
        " compactions: the process dies at each call that changes the log or a copy, half way"
        " through it too, and again during recovery. Then the same machine comes with the copy as"
        " it was left, another machine, or the power of the shared directory was cut, and what was"
        " not synced has happened in part. What was acknowledged is there, what was not is there"
        " whole or not at all, and a new copy is the same as the old one. And each call of the log,"
        " of its copies and of SQLite fails, once or from then on, as above.",
        (
            "tests/faults/test_crashes.py",
            "tests/faults/test_io_errors.py",
            "tests/faults/test_log_planted.py",
        ),
        (
            Figure("crash points", LOG_CRASHES, "crash_points"),
            Figure("directories recovered and compared", LOG_CRASHES, "directories"),
            Figure("of them with a copy half written", LOG_CRASHES, "hot_journals"),
            Figure("state before", LOG_CRASHES, "state_before"),
            Figure("state after", LOG_CRASHES, "state_after"),
            Figure("calls that failed", LOG_ERRORS, "faults"),
            Figure("answered STORAGE_ERROR", LOG_ERRORS, "storage_error"),
            Figure("answered DATABASE_CORRUPT", LOG_ERRORS, "database_corrupt"),
            Figure("answered DATABASE_BUSY", LOG_ERRORS, "database_busy"),
            Figure("done all the same", LOG_ERRORS, "answered_all_the_same"),
            Figure("of the refused, outcome unknown", LOG_ERRORS, "outcome_unknown"),
        ),
    ),
    Promise(
        "In a log requests are as if one came after the other, in real time",
        "Eight processes ask databases in a log, killed, and frozen past their lease, at random: they"
        " read the present and the past, write, vacuum, copy, replace, restore from older copies,"
        " add, delete and bring back, while a reaper merges, and removes files, records and the"
        " history, killed and frozen too. Each notes when a request began and ended, its"
        " position, and the whole state it saw. The positions agree with real time, every state is"
        " that of its position, replayed from the log record by record, and no two writes have one"
        " position.",
        ("tests/faults/test_history.py",),
        (
            *_of_a_history(HISTORY),
            Figure("kill -9", HISTORY, "kills"),
            Figure("freezes", HISTORY, "freezes"),
        ),
    ),
    Promise(
        "In a log in DynamoDB and S3 too, though calls are lost and come late",
        "The same history, through a server that plays both services, loses requests and answers,"
        " and lets requests land after their client was cut off.",
        ("tests/faults/test_history.py",),
        (
            *_of_a_history(HISTORY_IN_A_TABLE),
            Figure("calls or answers lost", HISTORY_IN_A_TABLE, "lost_calls"),
            Figure("calls that landed late", HISTORY_IN_A_TABLE, "late_calls"),
        ),
    ),
    Promise(
        "In DynamoDB nothing is lost though an item that was removed refuses nothing",
        "Eight processes append to one log through such a server, killed, stopped, and asleep for"
        " longer than records are kept, while a reaper removes. The protocol is searched in every"
        " order of its steps. And a year passes in simulated time, in which writers stall for"
        " seconds to weeks before their put, and reapers before they remove.",
        (
            "tests/faults/test_log_table.py",
            "tests/faults/test_log_table_model.py",
            "tests/faults/test_compaction_year.py",
        ),
        (
            Figure("commits acknowledged", TABLE, "acknowledged"),
            Figure("acknowledged and lost", TABLE, "lost"),
            Figure("in the log twice", TABLE, "twice"),
            Figure("refused and in the log", TABLE, "refused_and_there"),
            Figure("made on another state than that before", TABLE, "on_another_state"),
            Figure("reads", TABLE, "reads"),
            Figure("stale reads", TABLE, "stale_reads"),
            Figure("kill -9", TABLE, "kills"),
            Figure("stops", TABLE, "stops"),
            Figure("records removed meanwhile", TABLE, "removed"),
            Figure("copies begun anew", TABLE, "begun_anew"),
            Figure("told as unknown", TABLE, "unknown"),
            Figure("calls lost", TABLE, "server lost_request"),
            Figure("answers lost", TABLE, "server lost_answer"),
            Figure("calls that landed late", TABLE, "server late"),
            Figure("states of the model", ("log_table_model_*",), "states"),
            Figure("simulated days", YEAR, "days"),
            Figure("in them: commits acknowledged", YEAR, "acknowledged"),
            Figure("in them: stalls", YEAR, "stalls"),
            Figure("in them: passes of the reaper", YEAR, "passes"),
            Figure("in them: acknowledged and lost", YEAR, "lost"),
            Figure("in them: stale reads, or of another state", YEAR, "stale"),
        ),
    ),
    Promise(
        "A node that follows reads the state of its position, or says why not",
        "Three followers of a log that is written, merged, replaced and deleted; a quarter of their"
        " questions are refused, lost, cut or late; they are begun again, with their copy or with"
        " that of another process. Each read is compared with the one state of its position, which"
        " is never older than was asked for. Then the connection holds: each reads the newest."
        " Others are fed in the background, of a leader that comes and goes and waits for less time"
        " than it was asked to: a read has each commit that its age asks for.",
        ("tests/faults/test_followers.py", "tests/faults/test_fed_followers.py"),
        (
            Figure("reads", FOLLOWERS, "reads"),
            Figure("of another state", FOLLOWERS, "another_state"),
            Figure("older than was asked for", FOLLOWERS, "too_old"),
            Figure("older than one before", FOLLOWERS, "backwards"),
            Figure("not the newest when the connection held", FOLLOWERS, "never_caught_up"),
            Figure("of an old state, as was allowed", FOLLOWERS, "aged"),
            Figure("refused", FOLLOWERS, "refusals"),
            Figure("commits", FOLLOWERS, "commits"),
            Figure("replacements", FOLLOWERS, "replaced"),
            Figure("deletions", FOLLOWERS, "deleted"),
            Figure("records and files of them removed", FOLLOWERS, "removed"),
            Figure("questions", FOLLOWERS, "asked"),
            Figure("of them broken", FOLLOWERS, "broken"),
            Figure("restarts", FOLLOWERS, "restarts"),
        ),
    ),
    Promise(
        "One holder at a time, and a crash is overcome within one lease",
        "Several contenders, simulated from a seed: stalls, crashes, clocks up to a second apart,"
        " requests applied whose answer is lost, requests that arrive late, throttling. By true time"
        " there are never two holders within the margin, a lost answer locks nobody out, a late"
        " release frees nobody else's lease.",
        ("tests/faults/test_lease_simulation.py",),
        (
            Figure("schedules", ("lease_simulation",), "schedules"),
            Figure("leases granted", ("lease_simulation",), "granted"),
            Figure("commits", ("lease_simulation",), "committed"),
            Figure("crashes", ("lease_simulation",), "crashed"),
            Figure("stalls", ("lease_simulation",), "stalled"),
            Figure("answers lost", ("lease_simulation",), "answer_lost"),
            Figure("requests that came late", ("lease_simulation",), "late"),
            Figure("leases taken over", ("lease_simulation",), "taken_over"),
        ),
    ),
    Promise(
        "However many writers meet, the lease changes hands",
        "10, 100 and 1,000 writers that write again and again on one database, simulated from a"
        " seed with a table that takes 1,000 writes a second for an item, refused tries too, and"
        " throttles the rest: each of them writes, none is refused, no lease is left standing.",
        ("tests/faults/test_contention.py",),
        (
            Figure("10 writers: writes a second", ("contention_10",), "writes_a_second"),
            Figure("longest wait", ("contention_10",), "longest_wait_s", unit=" s"),
            Figure("100 writers: writes a second", ("contention_100",), "writes_a_second"),
            Figure("calls a second", ("contention_100",), "calls_a_second"),
            Figure("longest wait", ("contention_100",), "longest_wait_s", unit=" s"),
            Figure("1,000 writers: writes a second", ("contention_1000",), "writes_a_second"),
            Figure("calls a second", ("contention_1000",), "calls_a_second"),
            Figure("longest wait", ("contention_1000",), "longest_wait_s", unit=" s"),
        ),
    ),
    Promise(
        "Once, and only once",
        "An idempotent request, a queue's batch, a FIFO group and the COMMIT of a libSQL client,"
        " crashed at every operation, or with any answer of the lease table lost, and repeated as"
        " a caller or a queue would, the repetition crashed too: the effect is there once, and the"
        " reply is the first one. Requests of libSQL clients with several commits, conditions,"
        " scripts and savepoints, known by a key or a baton, are crashed likewise, and sent again"
        " while others turn their conditions round: each row is there once if the answers say so, and"
        " under the rowid they give.",
        ("tests/faults/test_once.py", "tests/faults/test_streams.py"),
        (
            Figure("crash points", ALL_ONCE, "crash_points"),
            Figure("directories repeated on", ALL_ONCE, "directories"),
            Figure("answers of the lease table lost", ALL_ONCE, "answers_lost"),
            Figure("repetitions that found the first effect", ALL_ONCE, "replayed"),
            Figure("of libSQL requests: found a part of it", SENT_AGAIN, "replayed_in_part"),
        ),
    ),
    Promise(
        "A transaction between requests commits only what it said",
        "Transactions of libSQL clients, each beside each of another caller's writes: the COMMIT is"
        " refused wherever plain SQLite, running the same statements behind that write, answers one of"
        " them otherwise, be it only in the count of changed rows or in the rowid, and nowhere else.",
        ("tests/faults/test_conflicts.py",),
        (
            Figure("transactions beside a write", CONFLICTS, "pairs"),
            Figure("refused as conflicts", CONFLICTS, "conflicts"),
            Figure("of them only by a count or a rowid", CONFLICTS, "conflicts_only_in_counts"),
        ),
    ),
    Promise(
        "Whatever comes in, only the errors of the contract come out",
        "Generated events through every door, AWS's own envelopes broken too; statements made to"
        " take all time or all memory, in a process with the memory of a small function; and a table"
        " of escapes from one's own database. A deadline ends a statement between two steps of a"
        " loop, not within a function; so each function of SQLite is called with the largest values"
        " that it takes.",
        (
            "tests/faults/test_hostile_input.py",
            "tests/faults/test_hostile_pipelines.py",
            "tests/faults/test_functions.py",
            "tests/faults/test_escapes.py",
        ),
        (
            Figure("events", ("hostile_events",), "events"),
            Figure("requests of libSQL clients", ("hostile_pipelines",), "requests"),
            Figure("of them on a log", ("hostile_pipelines_in_a_log",), "requests"),
            Figure("bombs", ("bombs",), "bombs"),
            Figure("latest end past its deadline", ("bombs",), "past_deadline_s_max", unit=" s"),
            Figure("functions, with the largest values", ("functions",), "functions"),
            Figure(
                "latest end past a deadline, of one call",
                ("functions",),
                "past_deadline_s_max",
                unit=" s",
            ),
            Figure(
                "of one LIKE or GLOB of 16 MiB by a pattern made to be slow",
                ("patterns",),
                "past_deadline_s_max",
                unit=" s",
            ),
            Figure("memory of the function", ("bombs",), "memory_of_function_mb", unit=" MB"),
            Figure("most memory taken", ("bombs",), "peak_mb_max", unit=" MB"),
        ),
    ),
    Promise(
        "It is after an hour as it was after a minute",
        "Reads, writes, batches, mistakes, statements past their deadline and libSQL requests, one"
        " after the other on three databases: connections, files and threads are as many at the end,"
        " the memory is the same, and a request costs what it did.",
        ("tests/faults/test_soak.py",),
        (
            Figure("seconds", ("soak_*",), "seconds", largest=True),
            Figure("requests", ("soak_*",), "requests"),
            Figure("memory grown by", ("soak_*",), "grown_mb", largest=True, unit=" MB"),
            Figure(
                "cost of a request in the last minutes, beside the first",
                ("soak_*",),
                "slower",
                largest=True,
            ),
        ),
    ),
    Promise(
        "It answers as SQLite does",
        "Generated schemas and statements through the handler and through plain SQLite, definitions"
        " among them, the same texts again, some of them longer than what is kept prepared, and their"
        " query plans: the same rows, counts, plans and errors, or a refusal that is on the list."
        " They run in processes of their own, so that a signal is a failure with its seed.",
        ("tests/faults/test_oracle.py",),
        (
            Figure("programs", ("oracle",), "programs"),
            Figure("programs on a log", ("oracle_in_a_log",), "programs"),
            Figure("statements", ("oracle",), "statements"),
            Figure("requests answered alike", ("oracle",), "answered"),
            Figure("query plans", ("oracle",), "explained"),
            Figure("statements of more than 10,000 characters", ("oracle",), "long_texts"),
            Figure("processes ended by a signal", ("oracle",), "signals"),
        ),
    ),
    Promise(
        "It holds on NFS",
        "Two Linux kernels with their own NFSv4.1 clients, mounted as EFS's helper mounts, on one"
        " NFS server, the handler in each. A writer is killed at random moments of its commit while"
        " the other client reads and writes at once; in TRUNCATE mode, the control, the same rounds"
        " read half a transaction. Databases that plain SQLite made, copied in or used last; a"
        " client powered off; frozen in mid transaction past every lease and thawed; its network"
        " cut and joined. The server gives up a silent client's locks after ten seconds, which decides"
        " how long others wait for one that vanished in its commit; EFS's own period is not known.",
        ("tests/nfs",),
        (
            Figure("writers killed", NFS_KILLED, "rounds"),
            Figure("of them leaving a hot journal", NFS_KILLED, "hot_journals"),
            Figure("reads meanwhile", NFS_KILLED, "reads"),
            Figure("torn reads", NFS_KILLED, "torn_reads"),
            Figure("half a transaction made permanent", NFS_KILLED, "torn_for_good"),
            Figure("longest read", NFS_KILLED, "longest_read_ms", largest=True, unit=" ms"),
            Figure("control: writers killed", ("nfs_killed_writer_truncate",), "rounds"),
            Figure("control: torn reads", ("nfs_killed_writer_truncate",), "torn_reads"),
            Figure("control: made permanent", ("nfs_killed_writer_truncate",), "torn_for_good"),
            Figure(
                "killed where plain SQLite was before",
                ("nfs_journal_removed_*", "nfs_made_by_*", "nfs_copied_in_*"),
                "rounds",
            ),
            Figure(
                "of them torn",
                ("nfs_journal_removed_*", "nfs_made_by_*", "nfs_copied_in_*"),
                "torn",
            ),
            Figure(
                "power off in mid commit: another wrote after",
                ("nfs_power_off",),
                "wrote_after_s",
                unit=" s",
            ),
            Figure(
                "frozen in mid transaction: another wrote after",
                NFS_FROZEN,
                "wrote_after_s",
                largest=True,
                unit=" s",
            ),
            Figure("NFS operations of a warm read", ("nfs_operations",), "warm_read"),
            Figure("NFS operations of a warm write", ("nfs_operations",), "warm_write"),
            Figure("of a first read", ("nfs_operations",), "first_read"),
            Figure("of a first write", ("nfs_operations",), "first_write"),
            Figure("of a write of 100 rows", ("nfs_operations",), "write_of_100_rows"),
        ),
    ),
)

NOT_RUN = (
    "Calls that no deadline ends and whose cost is a product: json_patch of objects of many keys,"
    " geopoly_overlap and geopoly_within of polygons of many vertices, a JSON function with hundreds"
    " of paths into a document of megabytes, many calls in one expression. They end with the"
    " function's own timeout.",
    "Against AWS: EFS, DynamoDB and Lambda are an NFS server on the same machine, moto behind a"
    " lock, and Lambda's own runtime client and emulator.",
    "The NFS server itself failing, restarting or moving: the server of these tests stays up.",
    "A disk that says it has synced and has not, and one that changes bytes it was given.",
    "Clocks more than a second apart. The lease counts on less.",
    "Clients of another processor than x86-64.",
)
"""What nobody should think these tests cover."""
