"""The repetitions of a run: full, quick, or hardly any."""

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Rounds of each experiment, and the sizes it goes up to.

    An experiment is run up to `runs_max` times, until none of its goals is decided by noise.
    """

    read_rounds: int
    write_rounds: int
    fresh_rounds: int
    together_rounds: int
    together_writes: int
    batch_rounds: int
    flights: int | None
    flight_rounds: int
    reply_rows: int
    reply_rounds: int
    sizes_mb: tuple[int, ...]
    databases: tuple[int, ...]
    behind_records: int
    behind_rounds: int
    log_sizes_mb: tuple[int, ...]
    new_rounds: int
    nfs_turns: int
    alone_rounds: int
    distance_rounds: int
    batches: tuple[int, ...]
    batches_of_each: int
    peer_sizes_mb: tuple[int, ...]
    peer_operations: int
    peer_reads_of_parts: tuple[int, int]
    peer_few: int
    calls: int = 20
    processes: int = 8
    traces_peers: bool = False
    runs_max: int = 3


COUNTS = {
    "full": Counts(
        read_rounds=150,
        write_rounds=60,
        fresh_rounds=10,
        together_rounds=3,
        together_writes=30,
        batch_rounds=40,
        flights=None,
        flight_rounds=3,
        reply_rows=100_000,
        reply_rounds=15,
        sizes_mb=(1, 100, 2_000),
        databases=(1, 10, 64, 100, 1_000),
        behind_records=1_000,
        behind_rounds=7,
        log_sizes_mb=(20, 1_000),
        new_rounds=5,
        nfs_turns=10,
        alone_rounds=3,
        distance_rounds=10,
        batches=(10, 100, 1_000, 10_000),
        batches_of_each=6,
        peer_sizes_mb=(1, 100),
        peer_operations=30,
        peer_reads_of_parts=(1_000, 200),
        peer_few=2,
        traces_peers=True,
    ),
    "quick": Counts(
        read_rounds=30,
        write_rounds=8,
        fresh_rounds=3,
        together_rounds=1,
        together_writes=8,
        batch_rounds=6,
        flights=60_000,
        flight_rounds=1,
        reply_rows=100_000,
        reply_rounds=4,
        sizes_mb=(1, 100),
        databases=(1, 10, 100, 1_000),
        behind_records=1_000,
        behind_rounds=3,
        log_sizes_mb=(20, 1_000),
        new_rounds=3,
        nfs_turns=3,
        alone_rounds=2,
        distance_rounds=4,
        batches=(10, 10_000),
        batches_of_each=2,
        peer_sizes_mb=(1,),
        peer_operations=10,
        peer_reads_of_parts=(50, 50),
        peer_few=2,
    ),
    "tiny": Counts(
        read_rounds=1,
        write_rounds=1,
        fresh_rounds=1,
        together_rounds=1,
        together_writes=1,
        batch_rounds=1,
        flights=200,
        flight_rounds=1,
        reply_rows=1_000,
        reply_rounds=1,
        sizes_mb=(1, 2),
        databases=(1, 3),
        behind_records=5,
        behind_rounds=1,
        log_sizes_mb=(1, 2),
        new_rounds=1,
        nfs_turns=0,
        alone_rounds=1,
        distance_rounds=1,
        batches=(10,),
        batches_of_each=1,
        peer_sizes_mb=(1,),
        peer_operations=2,
        peer_reads_of_parts=(2, 2),
        peer_few=2,
        calls=1,
        processes=2,
        runs_max=1,
    ),
}
"""`full` is what docs/performance.md shows, `tiny` what the test suite runs."""
