"""What a request has cost: counts that begin anew when they are taken."""

from storage.work import Work


def test_counts_begin_anew_when_they_are_taken() -> None:
    work = Work()
    work.records_applied += 3
    with work.hydrating(100):
        pass
    taken = work.taken()
    assert (taken.records_applied, taken.bytes_fetched) == (3, 100)
    assert taken.hydration_ms > 0
    assert work == Work()
