"""The reasons why goals are missed, with the figures of the profiles that showed them."""

_JOURNAL_LOOK = (
    "Before a request runs, one lstat() checks that there is a journal file: if another program has"
    " removed it, an NFS client that remembers so would not see the next writer's, and read half of"
    " its transaction. SQLite asks too, under its lock, but tells nobody what it found."
)

_LOG_IN_TURN = (
    " A log in a directory takes the same lease, so a write has the same two calls: what it saves"
    " is between them. Simulated with calls of 1 ms, and 1.8 ms of work in a file and 1.2 in a log,"
    " eight writers come to 1.2 times the file's rate; with calls of 5 ms to 1.1 times. To watch"
    " the log for the holder's commit, and try the lease then, would shorten the longest waits (p99"
    " of 430 to 150 ms) at a third more calls, and not raise the rate."
)

REASONS = {
    "warm_write_own": (
        "After two HTTP calls the processor's caches are cold: the same write by bare apsw takes"
        " 1.1 to 1.3 times as long (`bare apsw between two DynamoDB calls`). The rest is what"
        " a read has too, and BEGIN IMMEDIATE, the look at the schema and COMMIT as statements of"
        " their own. Of the profile's time in the database 97 % is SQLite's COMMIT."
    ),
    "strace_read": _JOURNAL_LOOK,
    "strace_write": (
        f"{_JOURNAL_LOOK} A second lstat() checks that the open file is still the one of that name:"
        " SQLite checks it where it writes a page, but not where a constraint or a record of the"
        " old file answers."
    ),
    "fresh_read": (
        "pydantic's models are no longer loaded, which was 100 ms of 290 ms of processor time on a"
        " busy machine; what is left is its core, the composition with `sqlexec`, and Powertools."
    ),
    "together_rate": (
        "Writes run in turn, so eight are about as fast as one: alone a process writes 280 rows a"
        " second, and one of django-sqlite-efs 200. How long the others wait between two tries"
        " changes whose turn it is more than the rate: at most 30, 100 or 250 ms, in turn four"
        " times, gave medians of 199, 186 and 217 rows a second, and a worst writer's p99 of 356,"
        " 877 and 1,058 ms. Shorter waits are fairer, but at 30 ms eight writers make 7.3"
        " calls a write where they make 4.7 at 100 (the machine busy); it is 75 now, and more where"
        " more than eight wait. On EFS that leaves about 25 separate writes a second and database,"
        " however many wait. Beyond eight writers at once, a FIFO queue with the database as its"
        " group writes 259 a second at 10 a batch."
        f"{_LOG_IN_TURN}"
    ),
    "together_4ms_rate": (
        "Writes run in turn, and each is two calls of 4 ms more: one process alone, for whose lease"
        " nobody waits, writes 72 rows a second (django-sqlite-efs: 64), and eight come to that"
        " rate. More would need several requests under one lease, as a queue's batch has them."
        f"{_LOG_IN_TURN}"
    ),
    "flights": (
        "Beside bare executemany stand the calls for 34 leases, the look at each value before a"
        " transaction begins (65 ms of 60,000 rows, which bare apsw loads in 260), and"
        " sqlite3_changes() after each row (30 ms), without which rows_affected would count what"
        " triggers do."
    ),
    "reply_arrays": (
        "The bytes of each chunk are counted before the next is fetched, so that a reply past its"
        " limit is refused early: 24 ms of encoding and 14 of looking for values that JSON cannot"
        " say, where the floor takes 75. Over HTTP that encoding is the body; of a direct reply"
        " Lambda's runtime makes another."
    ),
    "many_read": (
        "Of 1,000 databases in turn each is opened anew, since 64 are kept open and Lambda allows"
        " 1,024 files. Opening takes 0.15 ms for bare apsw, which is as little flat, and 0.35 to"
        " 0.43 ms with the settings, limits and policy of a connection."
    ),
    "memory_peak": (
        "A row of these five values is some 300 bytes of Python objects for 50 of JSON; Lambda's"
        " runtime makes a text of them, and bytes of that: six times the reply and twice more. A"
        " direct reply must be objects, because it is that runtime that encodes it. Over HTTP only"
        " a chunk's rows are objects at a time, and the rest is JSON."
    ),
}
"""By the table's key."""
