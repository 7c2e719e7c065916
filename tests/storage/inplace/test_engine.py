"""The engine of files in place: which of the files of a directory are databases."""

from pathlib import Path

from storage.inplace.engine import InPlace


def test_databases_are_the_regular_files_of_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "b.db").write_bytes(b"12345")
    (tmp_path / "a.db").touch()
    (tmp_path / "a.db-journal").touch()
    (tmp_path / "other").touch()
    (tmp_path / "c.db").symlink_to(tmp_path / "b.db")
    (tmp_path / "d.db").mkdir()

    assert InPlace(tmp_path).names() == ["a", "b"]
    assert InPlace(tmp_path).sizes_bytes() == {"a": 0, "b": 5}
