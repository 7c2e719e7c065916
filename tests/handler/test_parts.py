"""The parts of a service are made when they are needed first, and once."""

from pathlib import Path

from handler.parts import Parts
from handler.settings import Settings
from locking.clock import Clock


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    parts = Parts(Settings(databases=tmp_path, token_keys="keys"), Clock())
    made = set(parts.__dict__)
    assert parts.tokens is parts.tokens
    assert parts.stream_files is parts.stream_files
    assert set(parts.__dict__) - made == {"tokens", "stream_files"}
    assert parts.token_keys == "keys"
