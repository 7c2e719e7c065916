"""The part of an engine whose databases are no other node's."""

from pathlib import Path

from storage.engine import Position
from storage.inplace.engine import InPlace
from storage.log.engine import InLog


def test_databases_of_ones_own_are_behind_nobody(tmp_path: Path) -> None:
    for engine in (InPlace(tmp_path), InLog(tmp_path, tmp_path)):
        engine.saw("main", Position(7))
        engine.feed()
        assert not engine.follows
        assert engine.age_s("main") is None
        assert engine.lags() == []
