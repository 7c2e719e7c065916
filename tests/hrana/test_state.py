"""The state of a stream between two requests, as it travels, and its limits."""

import pytest

from hrana import state as states
from hrana.protocol import Stmt
from hrana.state import Entry, Log, LogFile, State, digest_of

STMT = Stmt.model_validate(
    {"args": [{"type": "null"}], "named_args": [{"name": "a", "value": {"type": "null"}}]}
)


def entry(sql: str = "SELECT 1") -> Entry:
    return Entry.of(sql, STMT, at_ms=5, digest="d")


def state() -> State:
    log = Log("id", seed="s", wrote=True, rowid=3, savepoints=["a"])
    log.append(entry())
    return State("main", "me", id="x", turn=2, texts={7: "SELECT 7"}, rowid=4, log=log)


def test_a_state_is_the_same_after_it_has_travelled() -> None:
    assert State.from_bytes(state().to_bytes()) == state()


def test_a_state_without_a_transaction_travels_too() -> None:
    idle = State("main", "me", foreign_keys=False)

    assert State.from_bytes(idle.to_bytes()) == idle


def test_what_lies_on_the_shelf_does_not_travel() -> None:
    shelved = state()
    shelved.shelved_texts = "texts-1"
    assert shelved.log is not None
    shelved.log.shelved = LogFile("log-1", 100, 1)

    arrived = State.from_bytes(shelved.to_bytes())

    assert (arrived.texts, arrived.shelved_texts) == ({}, "texts-1")
    assert arrived.log is not None
    assert (arrived.log.entries, arrived.log.shelved) == ([], LogFile("log-1", 100, 1))
    assert (shelved.texts, len(shelved.log.entries)) == ({7: "SELECT 7"}, 1), "only a copy is cut"


def test_texts_that_change_are_no_longer_those_on_the_shelf() -> None:
    changed = state()
    changed.shelved_texts = "texts-1"
    changed.store(8, "x")
    assert changed.shelved_texts == ""
    changed.shelved_texts = "texts-1"
    changed.forget(8)
    assert changed.shelved_texts == ""

    changed.shelved_texts = "texts-1"
    changed.forget(99)
    assert changed.shelved_texts == "texts-1"


def test_an_entry_gives_the_statement_back_that_it_was_made_of() -> None:
    assert entry("SELECT :a").stmt == STMT.model_copy(update={"sql": "SELECT :a"})


def test_each_statement_of_a_transaction_has_a_seed_of_its_own() -> None:
    log = Log("id", seed="s")

    assert len({log.seed_of(index) for index in range(10)} | {Log("id").seed_of(0)}) == 11


def test_a_log_is_full_by_its_statements_or_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "STATEMENTS_MAX", 2)
    log = Log("id")
    assert (log.is_full, log.is_past_limit) == (False, False)
    log.append(entry())
    assert (log.is_full, log.is_past_limit) == (False, False)
    log.append(entry())
    assert (log.is_full, log.is_past_limit) == (True, False)
    log.append(entry())
    assert log.is_past_limit

    monkeypatch.setattr(states, "LOG_BYTES_MAX", 1)
    log = Log("id")
    log.append(entry())
    assert (log.is_full, log.is_past_limit) == (True, False)
    log.append(entry())
    assert log.is_past_limit


def test_a_transaction_that_is_broken_off_keeps_only_why() -> None:
    log = Log("id", savepoints=["a"], shelved=LogFile("log-1", 1, 1))
    log.append(entry())

    log.break_off("too large", "TRANSACTION_TOO_LARGE")

    assert (log.broken, log.broken_code) == ("too large", "TRANSACTION_TOO_LARGE")
    assert (log.entries, log.savepoints, log.shelved) == ([], [], None)


def test_digests_tell_outcomes_apart() -> None:
    outcomes = [{"rows": []}, {"rows": [[1]]}, {"rows": [["1"]]}, {"rows": [[None]]}]

    assert len({digest_of(outcome) for outcome in outcomes}) == len(outcomes)
    assert digest_of({"rows": [[1]]}) == digest_of({"rows": [[1]]})
