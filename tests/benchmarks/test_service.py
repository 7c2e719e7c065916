"""The service as a subject: several of them are measured in one process."""

from pathlib import Path

from benchmarks.service import Sqlatch


def service(directory: Path, setting: str) -> Sqlatch:
    leases = f"sqlite:{directory / 'leases.sqlite'}"
    (directory / "databases").mkdir(parents=True)
    databases = setting.format(directory / "databases")
    name, _equals, value = databases.partition("=")
    return Sqlatch({name: value, "SQLATCH_LEASES": leases, "SQLATCH_COPIES": str(directory)})


def test_services_in_one_process_answer_each_from_its_own_databases(tmp_path: Path) -> None:
    subjects = {
        "file": service(tmp_path / "file", "SQLATCH_DATABASES={}"),
        "log": service(tmp_path / "log", "SQLATCH_LOG=directory:{}"),
    }

    for name, subject in subjects.items():
        subject.send(query="CREATE TABLE t (v)")
        subject.send(query="INSERT INTO t VALUES (?)", parameters=[name])
    replies = {name: each.send(query="SELECT v FROM t") for name, each in subjects.items()}
    for subject in subjects.values():
        subject.close()

    assert {name: reply["rows"] for name, reply in replies.items()} == {
        "file": [("file",)], "log": [("log",)],
    }  # fmt: skip
    assert "position" in replies["log"]["meta"]
    assert "position" not in replies["file"]["meta"]
